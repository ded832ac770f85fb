"""Names of the existing Moose that are not here: importing one says what there is instead."""

from __future__ import annotations

from typing import Final

_STREAMS: Final = "streams have no broker here; transform and consume records in a task"
_APIS: Final = "there are no analytics APIs; moose-cli query asks the store, as a web app of your own can"
_OBJECTS: Final = "create it in ClickHouse by hand"
_CLIENTS: Final = "moose_lib.WorkflowClient starts and ends runs, and moose_lib.ingest sends records"
_LOGS: Final = "use logging, print or ctx.logger, which belong to the run: moose-cli logs shows them"

_REASONS: Final = {
    _STREAMS: "TransformConfig ConsumerConfig",
    _APIS: "Api ApiConfig ConsumptionApi EgressConfig get_api get_apis get_consumption_api get_consumption_apis "
    "WebApp WebAppConfig WebAppMetadata get_web_app get_web_apps",
    _OBJECTS: "View MaterializedView MaterializedViewOptions SqlResource get_view get_views get_materialized_view "
    "get_materialized_views get_sql_resource get_sql_resources clickhouse_default",
    _CLIENTS: "MooseClient QueryClient MooseCache",
    _LOGS: "Logger cli_log CliLogData",
}
_ABSENT: Final = {name: reason for reason, names in _REASONS.items() for name in names.split()}


def missing_name(module: str, name: str) -> Exception:
    """What to raise for `from module import name`, which it does not have."""
    if name in _ABSENT:
        return ImportError(f"{name} of the existing Moose is not supported: {_ABSENT[name]}", name=module)
    return AttributeError(f"module {module!r} has no attribute {name!r}")
