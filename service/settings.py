"""The one module that reads settings: command line over `ANYTIME_*` environment over file over default."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from models.errors import SettingsError
from models.suggestions import did_you_mean

PRETRAINED = Path(__file__).resolve().parent.parent / "models" / "pretrained"
ANY_ORIGIN = "*"
_ORIGIN = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


class Settings(BaseSettings):
    """Everything that can be set about a server; frozen once read."""

    model_config = SettingsConfigDict(env_prefix="ANYTIME_", frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    keys: Path | None = Field(None, description="File of keys, without one of which only health is answered.")
    open: bool = Field(False, description="Serve without keys also beyond this machine.")
    cors_origins: str | None = Field(
        None, description="Sites whose pages may use this server, as https://a.example, with commas between; * for all."
    )
    trusted_proxies: str | None = Field(
        None, description="Addresses of proxies, with commas between, whose X-Forwarded-For says who asks."
    )
    bundles: Path = Field(PRETRAINED, description="A bundle, or a folder of bundles.")
    watch: float = Field(
        1.0,
        ge=0,
        description="Seconds between two looks at the bundles for new, changed and removed ones; 0 for never.",
    )
    workers: int = Field(1, ge=1, le=64, description="Worker processes; each has its own copy of every model.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the workers run.")
    executor: Literal["auto", "graphs", "graphs-fp32", "native", "native-int8", "null", "reference"] = Field(
        "auto",
        description="What computes: native is C++ for CPUs, native-int8 several times as fast and not quite the same, "
        "graphs is for CUDA devices, in half precision, graphs-fp32 the same in full, reference is plain PyTorch, and "
        "null computes nothing, to measure everything else; auto takes graphs on a CUDA device, on a CPU native-int8 "
        "for bundles that say it is good enough, else native, and reference where none of these can be had.",
    )
    threads: int = Field(1, ge=1, le=256, description="CPU threads per worker for PyTorch; native runs on one.")
    slots: int = Field(64, ge=1, le=4096, description="Samples in progress at once, per model and worker.")
    queue_limit: int = Field(1024, ge=1, description="Samples that may wait for a slot, per model.")
    max_samples: int = Field(64, ge=1, le=4096, description="Largest `n` of a request.")
    max_deadline_ms: float = Field(60_000, gt=0, description="Longer deadlines are clamped to this.")
    default_deadline_ms: float = Field(1_000, gt=0, description="Deadline of a request that names none.")
    network_ms: float = Field(
        0.5, ge=0, description="Kept back from every deadline for what the server cannot see: network and client."
    )
    max_scale: int = Field(16, ge=1, le=64, description="Largest enlargement of an image.")
    max_body_bytes: int = Field(1 << 20, ge=1024, description="Larger request bodies are refused with 413.")
    max_header_bytes: int = Field(16 << 10, ge=1024, description="Larger request heads are refused with 431.")
    max_pixels: int = Field(1 << 24, ge=1, description="Most pixels of all pictures of a request, enlarged.")
    max_media_bytes: int = Field(8 << 20, ge=1024, description="Larger files to encode are refused with 413.")
    max_media_size: int = Field(
        25_000_000, ge=1, description="Files to encode may hold so many pixels, or numbers of a sound; more is a 413."
    )
    encoder: Literal["on-demand", "always", "off"] = Field(
        "on-demand",
        description="The process that finds the codes of media: started with the first request, kept from the start "
        "on, or never there.",
    )
    encoder_idle: float = Field(300, gt=0, description="Seconds without a request after which the encoder ends.")
    encoder_queue: int = Field(32, ge=1, description="Requests that may wait for the encoder.")
    max_socket_requests: int = Field(64, ge=1, description="Requests in progress per websocket.")
    max_message_rate: float = Field(500, gt=0, description="Messages per second and websocket; as many at once.")
    max_sockets: int = Field(1024, ge=1, description="Websockets open at once.")
    max_client_sockets: int | None = Field(
        None, ge=1, description="Websockets per client: per key, or per address where there are no keys."
    )
    max_client_requests: int | None = Field(
        None, ge=1, description="Requests in progress per client, where its key does not say."
    )
    receive_timeout: float = Field(30, gt=0, description="Seconds that a request may take to arrive, to its last byte.")
    start_timeout: float = Field(120, gt=0, description="Seconds a worker may take to become ready.")
    shutdown_timeout: float = Field(10, gt=0, description="Seconds to answer running requests on SIGTERM.")
    record_costs: Path | None = Field(None, description="Folder for what operations took, to simulate with.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much to log.")
    log_format: Literal["auto", "json", "human"] = Field(
        "auto", description="How to log: lines of JSON, or text; auto takes text where a terminal shows it."
    )
    otlp_endpoint: str | None = Field(
        None, description="Address of an OpenTelemetry collector, as http://collector:4318, to export spans to."
    )
    trace_ratio: float = Field(
        1.0, ge=0, le=1, description="Share of requests to export of those whose callers have no trace of their own."
    )

    @field_validator("otlp_endpoint")
    @classmethod
    def _endpoint_is_an_address(cls, text: str | None) -> str | None:
        if text is not None and not re.fullmatch(r"https?://[^/\s]+\S*", text):
            raise ValueError(f"{text} is not the address of a collector: http://collector:4318")
        return text

    @property
    def origins(self) -> frozenset[str]:
        """The sites of `cors_origins`."""
        return frozenset(_listed(self.cors_origins))

    @field_validator("cors_origins")
    @classmethod
    def _origins_are_origins(cls, text: str | None) -> str | None:
        for origin in _listed(text):
            if origin != ANY_ORIGIN and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin} is not a site as browsers write it: https://a.example, with its port if any"
                )
        return text


def read_settings(overrides: Mapping[str, object], file: Path | None = None) -> tuple[Settings, dict[str, str]]:
    """The settings, and where each came from.

    Args:
        overrides: by field name, from the command line.
        file: TOML with field names as keys.

    Returns:
        The settings and, for every field, "command line", the environment variable, the file or "default".

    Raises:
        SettingsError: a value that makes no sense, an unknown key, an unreadable file; says which, and where it is.
    """
    sources: list[tuple[str | None, Mapping[str, Any]]] = [
        (str(file), {} if file is None else _read_file(file)),
        (None, EnvSettingsSource(Settings)()),
        ("command line", overrides),
    ]
    values: dict[str, Any] = {}
    origins = dict.fromkeys(Settings.model_fields, "default")
    for origin, source in sources:
        for name, value in source.items():
            values[name] = value
            origins[name] = origin or f"ANYTIME_{name.upper()}"
    try:
        return Settings(**values), origins
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = str(first["loc"][0])
        raise SettingsError(f"{name} (from {origins[name]}): {first['msg'].lower()}, got {first['input']!r}") from error


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _read_file(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError(f"cannot read the settings in {file}: {reason}") from error
    unknown = sorted(set(values) - set(Settings.model_fields))
    if unknown:
        near = did_you_mean(unknown[0], Settings.model_fields)
        raise SettingsError(f"{file}: unknown setting {unknown[0]!r}{near}")
    return values
