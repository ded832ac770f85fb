"""Declaring tables and endpoints: what becomes of it, and every mistake at its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, RootModel

from moose_lib import (
    DeadLetterModel,
    DeadLetterQueue,
    IngestApi,
    IngestConfig,
    IngestConfigWithDestination,
    IngestPipeline,
    IngestPipelineConfig,
    InvalidDefinition,
    Key,
    LifeCycle,
    OlapConfig,
    OlapTable,
    Stream,
    StreamConfig,
)
from moose_lib.dmv2 import _registry
from moose_lib.ingest.sqlite import SqliteStore
from moose_lib.plan.endpoints import compile_tables, try_compile_endpoints


class Click(BaseModel):
    user_id: str
    at: int


class Other(BaseModel):
    name: str


class Cased(BaseModel):
    total: int
    Total: int


class Numbers(RootModel[list[int]]):
    pass


@pytest.fixture(autouse=True)
def empty_registries() -> Iterator[None]:
    _registry.clear()
    yield
    _registry.clear()


def fault_of(declare: Callable[[], object]) -> str:
    with pytest.raises(InvalidDefinition) as caught:
        declare()
    (fault,) = caught.value.faults
    assert fault.location is not None
    assert fault.location.file == __file__
    return fault.message


def test_a_pipeline_is_an_endpoint_a_table_and_dead_letters() -> None:
    clicks = IngestPipeline[Click]("Clicks", IngestPipelineConfig(table=OlapConfig(order_by_fields=["user_id"])))

    assert clicks.get_table().model_type is Click
    assert clicks.get_table().config.order_by_fields == ["user_id"]
    assert clicks.get_stream().config.destination is clicks.table
    assert clicks.get_dead_letter_queue().name == "ClicksDeadLetterQueue"
    assert clicks.get_ingest_api().path == "ingest/Clicks"
    (endpoint,), faults = try_compile_endpoints(_registry.registered_ingest_apis().values())
    assert faults == []
    assert (endpoint.name, endpoint.key, endpoint.model) == ("Clicks", "Clicks", Click)
    assert endpoint.table == compile_tables(_registry.registered_tables().values())["Clicks"]
    assert endpoint.has_dead_letters


class Keyed(BaseModel):
    at: datetime
    order_id: Key[str]
    line: Key[int] = 1


@pytest.mark.parametrize(
    ("config", "order"),
    [
        (OlapConfig(), ["order_id", "line"]),
        (OlapConfig(order_by_fields=["at"]), ["at"]),
        (OlapConfig(order_by_expression="tuple()"), []),
    ],
)
def test_a_key_orders_its_table_unless_it_has_an_order(config: OlapConfig, order: list[str]) -> None:
    """As in the existing Moose; the model is the same with and without."""
    assert OlapTable[Keyed]("Lines", config).config.order_by_fields == order
    assert Keyed(at=datetime(2026, 1, 1, tzinfo=UTC), order_id="7").model_dump()["line"] == 1
    pipeline = IngestPipeline[Keyed]("Others", IngestPipelineConfig(table=config, life_cycle=LifeCycle.FULLY_MANAGED))
    assert pipeline.get_table().config.order_by_fields == order


def test_versions_stand_beside_each_other() -> None:
    first = IngestPipeline[Click]("Clicks", IngestPipelineConfig(version="1.0"))
    second = IngestPipeline[Click]("Clicks", IngestPipelineConfig(version="1.2", dead_letter_queue=False))

    assert first.get_ingest_api().path == "ingest/Clicks/1.0"
    assert second.get_table().key == "Clicks_1_2"
    endpoints, _ = try_compile_endpoints(_registry.registered_ingest_apis().values())
    assert [(it.key, it.table.name, it.has_dead_letters) for it in endpoints] == [
        ("Clicks_1_0", "Clicks_1_0", True),
        ("Clicks_1_2", "Clicks_1_2", False),
    ]


@pytest.mark.parametrize("stream", [True, False])
def test_a_stream_is_fine_either_way(stream: bool) -> None:
    clicks = IngestPipeline[Click]("Clicks", IngestPipelineConfig(stream=stream))

    assert (clicks.stream is not None) is stream
    assert clicks.get_ingest_api().config.table is clicks.table


def test_parts_that_were_not_asked_for_are_not_there() -> None:
    config = IngestPipelineConfig(ingest=False, stream=False, table=False, dead_letter_queue=False)
    nothing = IngestPipeline[Click]("Clicks", config)

    for get in (nothing.get_table, nothing.get_stream, nothing.get_ingest_api, nothing.get_dead_letter_queue):
        with pytest.raises(ValueError, match="pipeline 'Clicks' has no"):
            get()


def test_an_endpoint_can_be_declared_by_itself_also_the_existing_way() -> None:
    table = OlapTable[Click]("Clicks")
    refused = DeadLetterQueue[Click]("Refused")
    stream = Stream[Click]("Clicks", StreamConfig(destination=table, default_dead_letter_queue=refused))

    plain = IngestApi[Click]("Plain", IngestConfig(table=table, path="/shop/clicks/", strict=True))
    theirs = IngestApi[Click]("Theirs", IngestConfigWithDestination(destination=stream, version="2"))

    assert (plain.path, theirs.path) == ("ingest/shop/clicks", "ingest/Theirs/2")
    assert theirs.config.table is table
    assert theirs.config.dead_letter_queue is refused


def test_the_settings_of_a_pipeline_hold_for_its_parts() -> None:
    config = IngestPipelineConfig(
        version="3", path="a/b", metadata={"team": "web"}, table=OlapConfig(version="9"), ingest_api=IngestConfig()
    )
    clicks = IngestPipeline[Click]("Clicks", config)

    assert clicks.get_table().config.version == "3"
    assert clicks.get_ingest_api().path == "ingest/a/b/3"
    assert clicks.get_ingest_api().config.metadata == {"team": "web"}


@pytest.mark.parametrize(
    ("declare", "text"),
    [
        (lambda: IngestPipeline[Click]("no good"), "pipeline 'no good': the name has characters"),
        (lambda: IngestPipeline[int]("A"), "pipeline 'A': <class 'int'> is not a Pydantic model"),  # type: ignore[type-var]  # pyright: ignore[reportInvalidTypeArguments]
        (lambda: IngestPipeline("A"), "pipeline 'A': the model is missing"),
        (lambda: IngestPipeline[Click]("A", OlapConfig()), "which is not an IngestPipelineConfig"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: OlapTable[Click]("A", IngestConfig()), "which is not an OlapConfig"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: OlapTable[Click]("A", OlapConfig(order_by_fields=["when"])), "order_by_fields has 'when'"),
        (lambda: OlapTable[Click]("A", OlapConfig(order_by_fields=["at"], order_by_expression="at")), "has both"),
        (lambda: OlapTable[Click]("A", OlapConfig(engine="Memory")), "engine 'Memory' is not of the MergeTree family"),
        (lambda: OlapTable[Click]("A", OlapConfig(version="v1")), "version 'v1' is not like '1' or '1.2'"),
        (lambda: OlapTable[Click]("A", OlapConfig(indexes=["x"])), "indexes is not supported"),
        (lambda: OlapTable[Click](""), "the name is empty"),
        (lambda: OlapTable[Click]("a" * 101), "the name has 101 characters, the limit is 100"),
        (lambda: IngestApi[Click]("A", IngestConfig()), "its records would go nowhere"),
        (lambda: IngestApi[Click]("A", OlapConfig()), "which is not an IngestConfig"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (
            lambda: IngestApi[Click]("A", IngestConfigWithDestination(destination=OlapTable[Click]("T"))),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            "its destination is OlapTable, which is not a Stream",
        ),
        (lambda: IngestApi[Click]("A", IngestConfig(table=OlapTable[Other]("T"))), "its table 'T' takes Other"),
        (lambda: IngestApi[Click]("A", IngestConfig(table=OlapTable[Click]("T"), path="a b")), "path 'a b' is not"),
        (lambda: IngestPipeline[Click]("A", IngestPipelineConfig(table=False)), "its records would go nowhere"),
        (lambda: OlapTable[Cased]("A"), "table 'A': fields 'total' and 'Total' differ only in case"),
        (lambda: OlapTable[Click]("SQLite_A"), "names that begin with 'sqlite_' are SQLite's own"),
        (lambda: IngestPipeline[Click]("sqlite_a"), "table 'sqlite_a': names that begin with"),
        (
            lambda: IngestApi[Click]("A", IngestConfig(table=OlapTable[Click]("T"), path="../admin")),
            "segment '.' or '..'",
        ),
        (lambda: IngestApi[Click]("A", IngestConfig(table=OlapTable[Click]("T"), path="a/./b")), "segment '.' or '..'"),
        (lambda: Stream[Click]("A", StreamConfig(schema_config={})), "schema_config needs a schema registry"),
        (lambda: IngestPipeline[Click]("A", IngestPipelineConfig(version=1)), "pipeline 'A': version 1 is not like"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (
            lambda: OlapTable[Click]("A", OlapConfig(life_cycle="EXTERNALY_MANAGED")),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            "life_cycle 'EXTERNALY_MANAGED' is none of FULLY_MANAGED, DELETION_PROTECTED, EXTERNALLY_MANAGED",
        ),
        (lambda: IngestPipeline[Click]("A", IngestPipelineConfig(ingest_api="no")), "pipeline 'A': ingest_api is 'no'"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: IngestPipeline[Click]("A", IngestPipelineConfig(table=StreamConfig())), "table is StreamConfig("),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: OlapTable[Click]("A", OlapConfig(order_by_fields="at")), "order_by_fields is a text, not a list"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: IngestPipeline[Numbers]("A"), "Numbers'> is a RootModel: it has no fields to make columns of"),
        (
            lambda: IngestPipeline[Click](
                "A", IngestPipelineConfig(stream=StreamConfig(destination=OlapTable[Click]("T")))
            ),
            "pipeline 'A': stream=StreamConfig(destination=…) names another place for its records than its table",
        ),
        (
            lambda: IngestPipeline[Click]("A", IngestPipelineConfig(ingest=IngestConfig(table=OlapTable[Click]("T")))),
            "pipeline 'A': ingest_api=IngestConfig(table=…) names another place for its records than its table",
        ),
    ],
)
def test_a_mistake_is_told_at_its_line(declare: Callable[[], object], text: str) -> None:
    assert text in fault_of(declare)


#: What is no setting, by the configuration that has it, and how it is told.
UNFIT: list[tuple[type, dict[str, object], str]] = [
    (OlapConfig, {"partition_by": 5}, "partition_by is 5, which is not a text"),
    (OlapConfig, {"ttl": 7}, "ttl is 7, which is not a text"),
    (OlapConfig, {"ttl": " "}, "ttl is empty"),
    (OlapConfig, {"engine": 3}, "engine is 3, which is not a text"),
    (OlapConfig, {"cluster": 5}, "cluster is 5, which is not a text"),
    (OlapConfig, {"database": ""}, "database is empty"),
    (OlapConfig, {"order_by_expression": 5}, "order_by_expression is 5, which is not a text"),
    (OlapConfig, {"primary_key_expression": 5}, "primary_key_expression is 5, which is not a text"),
    (OlapConfig, {"sample_by_expression": 5}, "sample_by_expression is 5, which is not a text"),
    (OlapConfig, {"order_by_fields": 5}, "order_by_fields is 5, not a list of fields"),
    (OlapConfig, {"settings": {"a": 1}}, "settings has 'a': 1, and both have to be texts"),
    (OlapConfig, {"settings": [1]}, "settings is [1], which is not a dict"),
    (OlapConfig, {"metadata": 3}, "metadata is 3, which is not a dict"),
    (OlapConfig, {"metadata": {"a": b""}}, "metadata cannot be shown as JSON: Object of type bytes"),
    (OlapConfig, {"life_cycle": []}, "life_cycle [] is none of FULLY_MANAGED"),
    (IngestConfig, {"strict": "x"}, "strict is 'x'"),
    (IngestConfig, {"authenticate": 0}, "authenticate is 0"),
    (IngestConfig, {"metadata": 3}, "metadata is 3, which is not a dict"),
    (IngestConfig, {"table": 3}, "table is 3, which is not of the class OlapTable"),
    (IngestConfig, {"dead_letter_queue": True}, "dead_letter_queue is True, which is not of the class DeadLetterQueue"),
    (StreamConfig, {"parallelism": "x"}, "parallelism is 'x', which is not a whole number"),
    (StreamConfig, {"retention_period": True}, "retention_period is True, which is not a whole number"),
    (StreamConfig, {"destination": 5}, "destination is 5, which is not of the class OlapTable"),
    (StreamConfig, {"default_dead_letter_queue": 5}, "which is not of the class DeadLetterQueue"),
    (StreamConfig, {"version": 5}, "version 5 is not like '1' or '1.2'"),
    (StreamConfig, {"metadata": 3}, "metadata is 3, which is not a dict"),
    (StreamConfig, {"life_cycle": "x"}, "life_cycle 'x' is none of FULLY_MANAGED"),
    (IngestPipelineConfig, {"path": 5}, "path 5 is not segments of letters"),
    (IngestPipelineConfig, {"metadata": 5}, "metadata is 5, which is not a dict"),
    (IngestPipelineConfig, {"life_cycle": "x"}, "life_cycle 'x' is none of FULLY_MANAGED"),
]


@pytest.mark.parametrize(("kind", "settings", "text"), UNFIT)
def test_a_setting_of_another_type_is_told_at_load(kind: type, settings: dict[str, object], text: str) -> None:
    """And not by the server, by ClickHouse, or by a traceback; of a pipeline it is told once."""
    of: dict[type, Any]  # Any: each has a configuration of its own
    of = {OlapConfig: OlapTable, IngestConfig: IngestApi, StreamConfig: Stream, IngestPipelineConfig: IngestPipeline}
    config = kind(**({"table": OlapTable[Click]("T")} if kind is IngestConfig else {}) | settings)

    def declare() -> object:
        return of[kind][Click]("A", config)

    assert text in fault_of(declare)


def test_a_stream_has_the_configuration_of_one() -> None:
    def declare() -> object:
        return Stream[Click]("A", OlapConfig())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    assert "which is not a StreamConfig" in fault_of(declare)


@pytest.mark.parametrize("verb", ["add_transform", "add_consumer", "set_multi_transform", "routed", "send"])
def test_what_needs_a_broker_is_refused(verb: str) -> None:
    stream = Stream[Click]("Clicks")
    call: Any = getattr(stream, verb)  # Any: all of them take anything

    assert f"{verb}() is not supported" in fault_of(lambda: call(stream, print))


def test_who_would_send_to_a_stream_is_told_what_does_it() -> None:
    """The existing Moose's `send` is called in tasks, where there is no load any more."""
    stream = Stream[Click]("Clicks")

    with pytest.raises(InvalidDefinition) as told:
        stream.send(Click)

    assert [it.hint for it in told.value.faults] == ['write `await moose_lib.ingest("Clicks", records)`']


def test_a_name_is_declared_once() -> None:
    OlapTable[Click]("Clicks")

    assert "table 'Clicks' is declared twice: here and at" in fault_of(lambda: OlapTable[Click]("Clicks"))


def test_a_name_that_differs_only_in_case_is_taken() -> None:
    """Also on one line, as in a loop: the store would take the two for one table."""
    OlapTable[Click]("T")

    assert "table 't' differs only in case from 'T' (at " in fault_of(lambda: OlapTable[Click]("t"))
    assert "table 'b' differs only in case from 'B'" in fault_of(lambda: [OlapTable[Click](it) for it in "Bb"])


def test_fields_with_other_letters_than_ascii_keep_their_case(tmp_path: Path) -> None:
    """As in SQLite: what is told as a fault is what it would refuse, and no more."""

    class Names(BaseModel):
        ä: int
        Ä: int

    OlapTable[Names]("Names")

    with SqliteStore(tmp_path / "store.db", compile_tables(_registry.registered_tables().values()).values()) as store:
        assert store.migrated == ["table Names made"]


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        (True, False, "ingest_api=True and ingest=False contradict each other"),
        (False, True, "ingest_api=False and ingest=True contradict"),
        (IngestConfig(), False, "ingest_api=IngestConfig(…) and ingest=False contradict"),
        (False, IngestConfig(), "ingest_api=False and ingest=IngestConfig(…) contradict"),
        (IngestConfig(path="a"), IngestConfig(path="b"), "ingest_api=IngestConfig(…) and ingest=IngestConfig(…)"),
    ],
)
def test_both_names_of_a_setting_that_say_different_things_are_a_fault(
    one: bool | IngestConfig, other: bool | IngestConfig, text: str
) -> None:
    config = IngestPipelineConfig(ingest_api=one, ingest=other)

    assert text in fault_of(lambda: IngestPipeline[Click]("Clicks", config))


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        (None, None, "ingest/Clicks"),
        (True, None, "ingest/Clicks"),
        (True, True, "ingest/Clicks"),
        (IngestConfig(path="a"), True, "ingest/a"),
        (True, IngestConfig(path="a"), "ingest/a"),
        (None, IngestConfig(path="a"), "ingest/a"),
        (IngestConfig(path="a"), IngestConfig(path="a"), "ingest/a"),
        (False, None, None),
        (None, False, None),
        (False, False, None),
    ],
)
def test_both_names_of_a_setting_may_say_the_same(
    one: bool | IngestConfig | None, other: bool | IngestConfig | None, path: str | None
) -> None:
    """A configuration says more than `True`, and no other."""
    clicks = IngestPipeline[Click]("Clicks", IngestPipelineConfig(ingest_api=one, ingest=other))

    assert (None if clicks.ingest_api is None else clicks.ingest_api.path) == path


def test_the_same_line_may_declare_again() -> None:
    """A reloaded module, or a notebook cell that is run twice."""
    tables = [OlapTable[Click]("Clicks") for _ in range(2)]

    assert _registry.registered_tables() == {"Clicks": tables[1]}


def test_two_endpoints_with_one_path_are_a_fault() -> None:
    table = OlapTable[Click]("Clicks")
    IngestApi[Click]("A", IngestConfig(table=table, path="x"))
    IngestApi[Click]("B", IngestConfig(table=table, path="X"))

    _, (fault,) = try_compile_endpoints(_registry.registered_ingest_apis().values())

    assert fault.message.startswith("ingest 'B': path /ingest/X is that of 'A' too")


def test_a_dead_letter_has_the_keys_of_the_existing_moose() -> None:
    letter = DeadLetterModel.model_validate(
        {
            "originalRecord": {"a": 1},
            "errorMessage": "bad",
            "errorType": "ValidationError",
            "failedAt": "2026-11-22T10:00:00Z",
            "source": "api",
        }
    )

    assert letter.original_record == {"a": 1}
    assert "errorMessage" in letter.model_dump(by_alias=True)
