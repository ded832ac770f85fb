"""From the project's settings to a connected client: ours over Temporal's own (`TEMPORAL_*`, `temporal.toml`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from temporalio.client import Client, GrpcCompression
from temporalio.envconfig import ClientConfigProfile, ClientConnectConfig
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.service import RPCError, TLSConfig

from moose_lib.engine.payloads import data_converter
from moose_lib.errors import EngineUnreachable, SettingsError
from moose_lib.project.settings import Settings, TemporalSettings, is_loopback

DEFAULT_ADDRESS: Final = "127.0.0.1:7233"
DEFAULT_NAMESPACE: Final = "default"

_QUOTED: Final = re.compile(r'(?:message|error): "([^"]+)"')
_SDK_PORT: Final = "another port: sdk_port in [metrics] of moose.config.toml, or MOOSE_METRICS__SDK_PORT"
_CONNECT_TIMEOUT: Final = timedelta(seconds=5)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A Temporal server and how to talk to it."""

    address: str
    namespace: str
    api_key: str | None = field(repr=False)
    tls: bool | TLSConfig = field(repr=False)
    metadata: Mapping[str, str] = field(repr=False)


async def connect(settings: Settings, *, identity: str | None = None, sdk_metrics: str | None = None) -> Client:
    """A client of the project's Temporal, connected; at `sdk_metrics` (`127.0.0.1:9465`) the SDK serves its metrics.

    Raises:
        EngineUnreachable: no Temporal answers there within a few seconds, or it refuses us.
        SettingsError: Temporal's own settings, or a certificate, cannot be read.
    """
    target = resolve_target(settings)
    address = target.address
    compression = GrpcCompression.NONE if is_loopback(_host(address)) else GrpcCompression.GZIP
    try:
        return await Client.connect(
            address,
            namespace=target.namespace,
            api_key=target.api_key,
            tls=target.tls,
            rpc_metadata=target.metadata,
            data_converter=data_converter(settings),
            identity=identity,
            connect_timeout=_CONNECT_TIMEOUT,
            grpc_compression=compression,
            runtime=None if sdk_metrics is None else _measured(sdk_metrics),
        )
    except (RuntimeError, RPCError) as error:
        raise EngineUnreachable(address, _reason(error)) from error


def _measured(address: str) -> Runtime:
    metrics = PrometheusConfig(
        bind_address=address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
    )
    try:
        return Runtime(telemetry=TelemetryConfig(metrics=metrics))
    except ValueError as error:
        raise SettingsError(f"the SDK's metrics cannot be served on {address}: {error}", hint=_SDK_PORT) from error


def resolve_target(settings: Settings) -> Target:
    """Where to connect to, and how."""
    theirs = _temporals_own(settings)
    ours = settings.temporal
    api_key = None if ours.api_key is None else ours.api_key.get_secret_value()
    if api_key is None and ours.tls is not False:  # Temporal's key is not for a local server that we know of
        api_key = theirs.get("api_key")
    return Target(
        address=ours.address or theirs.get("target_host") or DEFAULT_ADDRESS,
        namespace=ours.namespace or theirs.get("namespace") or DEFAULT_NAMESPACE,
        api_key=api_key,
        tls=_tls(ours, theirs, has_key=api_key is not None),
        metadata=theirs.get("rpc_metadata", {}),
    )


def _tls(ours: TemporalSettings, theirs: ClientConnectConfig, *, has_key: bool) -> bool | TLSConfig:
    if ours.tls is False:
        return False
    if ours.client_cert is not None or ours.client_key is not None or ours.ca_cert is not None:
        return TLSConfig(
            server_root_ca_cert=_read(ours.ca_cert),
            client_cert=_read(ours.client_cert),
            client_private_key=_read(ours.client_key),
        )
    of_theirs = theirs.get("tls")
    if isinstance(of_theirs, TLSConfig):
        return of_theirs
    return bool(ours.tls) or bool(of_theirs) or has_key


def _temporals_own(settings: Settings) -> ClientConnectConfig:
    try:
        profile = ClientConfigProfile.load(override_env_vars=dict(settings.temporal_environment))
        return profile.to_client_connect_config()
    except (RuntimeError, OSError) as error:
        raise SettingsError(f"Temporal's own settings cannot be read: {_reason(error)}") from error


def _read(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")


def _reason(error: Exception) -> str:
    """What went wrong, out of the SDK's nested texts where it can be found there."""
    text = " ".join(str(error).split())
    quoted = _QUOTED.findall(text)
    return quoted[-1].lower() if quoted else text
