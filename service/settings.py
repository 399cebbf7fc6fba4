"""The one module that reads settings: command line over `ANYTIME_*` environment over file over default."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PRETRAINED = Path(__file__).resolve().parent.parent / "models" / "pretrained"


class Settings(BaseSettings):
    """Everything that can be set about a server; frozen once read."""

    model_config = SettingsConfigDict(env_prefix="ANYTIME_", frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    bundles: Path = Field(PRETRAINED, description="A bundle, or a folder of bundles.")
    workers: int = Field(1, ge=1, le=64, description="Worker processes; each has its own copy of every model.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the workers run.")
    threads: int = Field(1, ge=1, le=256, description="CPU threads per worker for the model's arithmetic.")
    slots: int = Field(64, ge=1, le=4096, description="Samples in progress at once, per model and worker.")
    queue_limit: int = Field(256, ge=1, description="Samples that may wait for a slot, per model.")
    max_samples: int = Field(64, ge=1, le=4096, description="Largest `n` of a request.")
    max_deadline_ms: float = Field(60_000, gt=0, description="Longer deadlines are clamped to this.")
    default_deadline_ms: float = Field(1_000, gt=0, description="Deadline of a request that names none.")
    max_scale: int = Field(16, ge=1, le=64, description="Largest enlargement of an image.")
    max_body_bytes: int = Field(1 << 20, ge=1024, description="Larger request bodies are refused with 413.")
    max_socket_requests: int = Field(64, ge=1, description="Requests in progress per websocket.")
    start_timeout: float = Field(120, gt=0, description="Seconds a worker may take to become ready.")
    shutdown_timeout: float = Field(10, gt=0, description="Seconds to answer running requests on SIGTERM.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much to log.")
