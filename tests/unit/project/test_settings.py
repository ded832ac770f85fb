"""Settings: what wins, what is refused, and what the refusal says."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from moose_lib.errors import SettingsError
from moose_lib.project.settings import Settings, is_loopback, load_settings, process_environment

PORT = "temporal_config.temporal_port"
PORT_VARIABLE = "MOOSE_TEMPORAL_CONFIG__TEMPORAL_PORT"


class Folder:
    """A project whose configuration a test writes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def config(self, text: str) -> None:
        (self.root / "moose.config.toml").write_text(text)

    def temporal(self, text: str) -> None:
        self.config(f"[temporal_config]\n{text}\n")

    def env(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def load(self, **overrides: object) -> Settings:
        return load_settings(self.root, {f"temporal_config.{key}": value for key, value in overrides.items()})

    def refusal(self) -> SettingsError:
        with pytest.raises(SettingsError) as refusal:
            self.load()
        return refusal.value


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path.resolve())


class TestNothingSet:
    def test_what_temporal_may_fill_is_visibly_unset(self, folder: Folder) -> None:
        temporal = folder.load().temporal

        assert (temporal.address, temporal.namespace, temporal.tls, temporal.api_key) == (None, None, None, None)

    def test_the_rest_has_defaults(self, folder: Folder) -> None:
        settings = folder.load()

        assert (settings.language, settings.source_dir, settings.temporal.task_queue) == ("python", "app", "moose")
        assert settings.temporal.ui_port == 8080
        assert settings.worker.grace_period == timedelta(seconds=30)
        assert settings.state_directory == folder.root / ".moose"
        assert settings.sources == {}


class TestWhatWins:
    def test_the_file(self, folder: Folder) -> None:
        folder.temporal("temporal_port = 1111")
        settings = folder.load()

        assert settings.temporal.address == "127.0.0.1:1111"
        assert settings.sources[PORT] == "moose.config.toml"

    def test_a_variable_over_the_file(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.temporal("temporal_port = 1111")
        monkeypatch.setenv(PORT_VARIABLE, "2222")
        settings = folder.load()

        assert (settings.temporal.port, settings.sources[PORT]) == (2222, PORT_VARIABLE)

    def test_a_flag_over_all(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(PORT_VARIABLE, "2222")
        settings = folder.load(temporal_port=3333)

        assert (settings.temporal.port, settings.sources[PORT]) == (3333, "--temporal-port")
        assert settings.flag_environment == {PORT_VARIABLE: "3333"}

    def test_a_flag_that_was_not_given_counts_for_nothing(self, folder: Folder) -> None:
        folder.temporal("temporal_port = 1111")

        assert folder.load(temporal_port=None).temporal.port == 1111

    def test_env_files_in_their_order_under_the_process(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.env(".env", f"{PORT_VARIABLE}=1\nTEMPORAL_NAMESPACE=one\nMOOSE_SOURCE_DIR=src\n")
        folder.env(".env.dev", f"{PORT_VARIABLE}=2\n")
        folder.env(".env.local", "TEMPORAL_NAMESPACE=three\n")
        settings = folder.load()

        assert (settings.temporal.port, settings.source_dir) == (2, "src")
        assert settings.sources[PORT] == f"{PORT_VARIABLE} in .env.dev"
        assert settings.temporal_environment == {"TEMPORAL_NAMESPACE": "three"}
        assert settings.sources["TEMPORAL_NAMESPACE"] == "TEMPORAL_NAMESPACE in .env.local"

        monkeypatch.setenv("TEMPORAL_NAMESPACE", "four")
        assert folder.load().temporal_environment == {"TEMPORAL_NAMESPACE": "four"}

    def test_an_address_and_a_port_override_each_other(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.temporal('address = "cluster.example:1111"')
        assert folder.load(temporal_port=2222).temporal.address == "cluster.example:2222"

        folder.temporal('temporal_host = "one.example"\ntemporal_port = 1111')
        monkeypatch.setenv("MOOSE_TEMPORAL_CONFIG__ADDRESS", "two.example:2222")
        assert folder.load().temporal.address == "two.example:2222"

    def test_blank_texts_of_existing_projects_are_unset(self, folder: Folder) -> None:
        folder.temporal('client_cert = ""\nclient_key = ""\nca_cert = ""\napi_key = ""\ntemporal_host = "localhost"')
        settings = folder.load()

        assert (settings.temporal.client_cert, settings.temporal.tls) == (None, False)


class TestLogger:
    def test_sizes_and_words_are_read_as_people_write_them(self, folder: Folder) -> None:
        folder.config('[logger]\nmax_size = "1.5 GB"\nburst = 50\nlevel = "WARN"\nformat = "Json"\nstdout = true')
        logger = folder.load().logger
        assert (logger.max_size, logger.burst, logger.level, logger.format) == (1_500_000_000, 50, "warning", "json")

        folder.config('[logger]\nmax_size = "2 MiB"\nburst = 1')
        assert folder.load().logger.max_size == 2 * 1024**2

    def test_sizes_can_come_from_the_environment(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MOOSE_LOGGER__MAX_SIZE", "0")
        monkeypatch.setenv("MOOSE_LOGGER__BURST", "7")
        assert (folder.load().logger.max_size, folder.load().logger.burst) == (0, 7)

    @pytest.mark.parametrize(
        ("config", "reason"),
        [
            ('max_size = "much"', 'is not a size: write "200MB", "1GB"'),
            ("max_size = true", 'is not a size: write "200MB", "1GB"'),
            ("max_size = 1000", 'is too small: at least "1MB", or 0 for nothing at all'),
            ("burst = 0", "is not a whole number of at least 1"),
            ('burst = "many"', "is not a whole number of at least 1"),
        ],
    )
    def test_what_is_no_size_is_refused(self, folder: Folder, config: str, reason: str) -> None:
        folder.config(f"[logger]\n{config}")
        with pytest.raises(SettingsError, match=re.escape(reason)):
            folder.load()


class TestAddress:
    @pytest.mark.parametrize(
        ("config", "address", "tls"),
        [
            ('temporal_host = "localhost"', "localhost:7233", False),
            ('temporal_host = "127.0.0.1"', "127.0.0.1:7233", False),
            ('temporal_host = "::1"\ntemporal_port = 1', "[::1]:1", False),
            ('address = "[::1]:1"', "[::1]:1", False),
            ('temporal_host = "cluster.example"', "cluster.example:7233", True),
            ('temporal_host = "cluster.example"\ntemporal_scheme = "http"', "cluster.example:7233", False),
            ('temporal_host = "localhost"\ntemporal_scheme = "https"', "localhost:7233", True),
            ('temporal_host = "localhost"\nclient_cert = "a.pem"', "localhost:7233", True),
            ("temporal_port = 7300", "127.0.0.1:7300", False),
            ('api_key = "k"', None, None),
            ('api_key = "k"\ntemporal_region = "us-west1"', "us-west1.gcp.api.temporal.io:7233", True),
            ('api_key = "k"\ntemporal_region = "eu-west-1"', "eu-west-1.aws.api.temporal.io:7233", True),
            ('api_key = "k"\ntemporal_region = "us-west1"\ntemporal_host = "own.example"', "own.example:7233", True),
            ('temporal_region = "us-west1"', None, None),
        ],
    )
    def test_address_and_tls_follow_from_what_is_set(
        self, folder: Folder, config: str, address: str | None, tls: bool | None
    ) -> None:
        folder.temporal(config)
        temporal = folder.load().temporal

        assert (temporal.address, temporal.tls) == (address, tls)

    @pytest.mark.parametrize("host", ["localhost", "app.localhost", "127.0.0.1", "127.8.0.1", "::1"])
    def test_this_machine(self, host: str) -> None:
        assert is_loopback(host)

    @pytest.mark.parametrize("host", ["localhost.example", "10.0.0.1", "temporal", "::2", ""])
    def test_other_machines(self, host: str) -> None:
        assert not is_loopback(host)

    def test_files_are_relative_to_the_project(self, folder: Folder) -> None:
        folder.temporal('client_cert = "tls/a.pem"\nca_cert = "/etc/ca.pem"')
        temporal = folder.load().temporal

        assert (temporal.client_cert, temporal.ca_cert) == (folder.root / "tls/a.pem", Path("/etc/ca.pem"))

    def test_a_secret_is_not_shown(self, folder: Folder) -> None:
        folder.temporal('api_key = "hush"')
        settings = folder.load(api_key="hush hush")

        assert "hush" not in repr(settings)
        assert settings.temporal.api_key is not None
        assert settings.temporal.api_key.get_secret_value() == "hush hush"


class TestRefusals:
    @pytest.mark.parametrize(
        ("config", "text"),
        [
            ("[temporal_config]\ntemporal_port = 0", "temporal_port = 0 (from FILE) is not a port (1 to 65535)"),
            ("[temporal_config]\ntemporal_port = true", "temporal_port = True (from FILE) is not a port"),
            ("[temporal_config]\nui_port = 1.5", "ui_port = 1.5 (from FILE) is not a port"),
            ("[temporal_config]\nnamespace = 3", "namespace = 3 (from FILE) is not a text"),
            ("[temporal_config]\ntask_queue = ' '", "task_queue = ' ' (from FILE) is empty"),
            ("[temporal_config]\ntemporal_scheme = 'ftp'", "temporal_scheme = 'ftp' (from FILE) is not 'http' or"),
            ("[temporal_config]\napi_key = 12345", "api_key = … (from FILE) is not a text"),
            ("[temporal_config]\naddress = 'cluster'", "address = 'cluster' (from FILE) is not host:port"),
            ("[temporal_config]\naddress = 'a:1'\ntemporal_port = 2", "FILE: address and temporal_port say"),
            ("[worker]\ngrace_period = 30", 'grace_period = 30 (from FILE) is not a duration: write "30s"'),
            ("[worker]\ngrace_period = '30'", "grace_period = '30' (from FILE) is not a duration: a unit"),
            ("[worker]\ngrace_period = 'never'", "grace_period = 'never' (from FILE) must end some time"),
            ("[logger]\nlevel = 'loud'", "level = 'loud' (from FILE) is not 'debug', 'info', "),
            ("language = 'typescript'", "language = 'typescript' (from FILE) is not 'python'"),
            ("worker = 3", "FILE: worker is a section, not a value"),
            ("worker = [", "FILE is not TOML: "),
        ],
    )
    def test_a_wrong_value_is_told_with_its_place(self, folder: Folder, config: str, text: str) -> None:
        folder.config(config)

        assert folder.refusal().message.startswith(text.replace("FILE", "moose.config.toml"))

    @pytest.mark.parametrize(
        ("config", "text", "hint"),
        [
            (
                "[temporal_config]\nnamespce = 'a'",
                "[temporal_config] has no key 'namespce'",
                "did you mean 'namespace'?",
            ),
            ("[wroker]\na = 1", "unknown key or section 'wroker'", "did you mean 'worker'?"),
            ("[dev]\nx = 1", "[dev] has no key 'x'", "known: durability, stop_grace_period, temporal"),
        ],
    )
    def test_an_unknown_key_is_told_with_the_nearest(self, folder: Folder, config: str, text: str, hint: str) -> None:
        folder.config(config)
        refusal = folder.refusal()

        assert (refusal.message, refusal.hint) == (f"moose.config.toml: {text}", hint)

    def test_a_wrong_variable_is_named(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(PORT_VARIABLE, "abc")

        assert folder.refusal().message == f"temporal_port = 'abc' (from {PORT_VARIABLE}) is not a port (1 to 65535)"

    def test_an_unknown_variable_of_our_sections_is_refused(
        self, folder: Folder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MOOSE_TEMPORAL_CONFIG__PORTT", "1")

        assert "MOOSE_TEMPORAL_CONFIG__PORTT: [temporal_config] has no key 'portt'" in folder.refusal().message

    def test_a_wrong_flag_is_named(self, folder: Folder) -> None:
        with pytest.raises(SettingsError, match=r"ui_port = 99999 \(from --ui-port\) is not a port"):
            folder.load(ui_port=99999)

    def test_all_wrong_values_are_told_together(self, folder: Folder) -> None:
        folder.config("[temporal_config]\nui_port = 0\nnamespace = 1\n[worker]\ngrace_period = 1")
        first, *others = folder.refusal().message.splitlines()

        assert first == "3 settings are wrong:"
        assert len(others) == 3

    @pytest.mark.parametrize("name", ["moose.config.toml", ".env"])
    def test_a_file_that_is_not_text_is_told(self, folder: Folder, name: str) -> None:
        (folder.root / name).write_bytes(b"a = '\xff'")

        assert folder.refusal().message.startswith(f"{name} cannot be read: ")


class TestExistingProjects:
    def test_their_other_sections_and_keys_are_passed_over(
        self, folder: Folder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder.config(
            """
            language = "python"
            load_infra = true
            [features]
            workflows = true
            [clickhouse_config]
            db_name = "local"
            host_data_path = "/data"
            additional_databases = ["other"]
            clusters = []
            [redpanda_config]
            broker = "localhost:19092"
            [http_server_config]
            host = "localhost"
            [temporal_config]
            db_user = "temporal"
            temporal_host = "localhost"
            temporal_port = 7233
            temporal_version = "1.22.3"
            """
        )
        monkeypatch.setenv("MOOSE_CLICKHOUSE_CONFIG__HOST_DATA_PATH", "1")
        monkeypatch.setenv("MOOSE_REDIS_CONFIG__URL", "1")
        monkeypatch.setenv("MOOSE_TEMPORAL_CONFIG__DB_PASSWORD", "1")
        monkeypatch.setenv("MOOSE_ADMIN_TOKEN", "1")

        assert folder.load().temporal.address == "localhost:7233"


class TestEnvFiles:
    @pytest.mark.parametrize(
        ("line", "value"),
        [
            ("A=b", "b"),
            ("export A = b c  # comment", "b c"),
            ("A=", ""),
            ("A= # comment", ""),
            ("A=b#c", "b#c"),
            ("A='b # c'", "b # c"),
            ('A="b\\n\\"c\\""', 'b\n"c"'),
            ('A="first\nsecond"', "first\nsecond"),
            ("A=$HOME", "$HOME"),
            ("# A=1\nnonsense\nA=2\r\n", "2"),
            ("A=1\nA=2", "2"),
        ],
    )
    def test_a_line_is_read_as_people_write_it(self, folder: Folder, line: str, value: str) -> None:
        folder.env(".env", line)

        assert process_environment(folder.root)["A"] == value

    def test_the_process_wins(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.env(".env", "A=file")
        monkeypatch.setenv("A", "process")

        assert process_environment(folder.root)["A"] == "process"
