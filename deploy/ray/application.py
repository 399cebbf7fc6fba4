"""The service as an application of Ray Serve: fronts with the clients' connections, engines with the workers.

    serve run deploy.ray.application:application
    serve run deploy.ray.application:application engines=4 gpus_per_engine=1

Settings of the service come from `ANYTIME_*` in the environment of the nodes, or from `settings` in a config file
(`deploy/ray/serve.yaml`). What the parts do is in `service/fleet`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy, RequestRouterConfig
from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp

from deploy.ray.carrier import ServeCarrier
from service.api.app import create_app
from service.api.rehearsal import Rehearsal
from service.commands.serve import set_up_logs
from service.fleet import Fleet, Replica
from service.fleet.behind import Behind
from service.metrics import Metrics
from service.settings import Settings, read_settings

_ROUTER = "deploy.ray.router.NamedReplicas"
_POLICY = "deploy.ray.policy:ShedQuality"
_MANY = 100_000  # who may come in is for the service to decide, which knows what each costs


class Options(BaseModel):
    """What an application is made with."""

    model_config = ConfigDict(extra="forbid")

    settings: dict[str, Any] = Field(default_factory=dict, description="Of the service, over its environment's.")
    fronts: int = Field(1, ge=1, description="Processes that have the clients' connections.")
    engines: int = Field(1, ge=1, description="Replicas with workers; at the least, if there may be more.")
    most_engines: int | None = Field(None, ge=1, description="How many there may be when quality is shed.")
    cpus_per_engine: float = Field(2, ge=0, description="Processors that an engine and its workers need.")
    gpus_per_engine: float = Field(0, ge=0, description="GPUs likewise.")
    cpus_per_front: float = Field(1, ge=0, description="Processors that a front needs.")
    engine_resources: dict[str, float] = Field(default_factory=dict, description="Ray's own, to say on which nodes.")
    front_resources: dict[str, float] = Field(default_factory=dict, description="The same of fronts.")
    shed_target: float = Field(0.02, gt=0, lt=1, description="Expected quality that a sample may lack on average.")
    upscale_delay_s: float = Field(10.0, ge=0, description="For how long more must be wanted before they are started.")
    downscale_delay_s: float = Field(300.0, ge=0, description="For how long fewer must do before one is ended.")
    look_back_s: float = Field(15.0, gt=10, description="Over how long what engines report is averaged.")


@serve.deployment(max_ongoing_requests=_MANY)
class Engine:
    """A replica: a pool of workers on its node."""

    async def __init__(self, settings: dict[str, Any]) -> None:  # type: ignore[misc]  # as Serve allows
        set_up_logs(_settings(settings))
        self._replica = Replica(_settings(settings), serve.get_replica_context().replica_id.unique_id, Metrics())
        await self._replica.start()

    async def __del__(self) -> None:
        await self._replica.close()

    async def run(self, call: bytes, **_where: object) -> AsyncGenerator[bytes, None]:
        """See `Replica.run`; `_where` is for the router."""
        async for said in self._replica.run(call):
            yield said

    async def pulse(self, **_where: object) -> AsyncGenerator[bytes, None]:
        """See `Replica.pulse`."""
        async for said in self._replica.pulse():
            yield said

    async def tell(self, told: bytes, **_where: object) -> None:
        """See `Replica.tell`."""
        self._replica.tell(told)

    async def look(self) -> bytes:
        """See `Replica.look`."""
        return self._replica.look()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What `ShedQuality` decides by."""
        return self._replica.load()._asdict()


@serve.deployment(max_ongoing_requests=_MANY)
@serve.ingress()
class Front:
    """The service's own app over a fleet of engines."""

    def __init__(self, engines: DeploymentHandle[Any], settings: dict[str, Any]) -> None:
        self._settings = _settings(settings)
        set_up_logs(self._settings)
        self._fleet = Fleet(self._settings, ServeCarrier(engines))

    async def __serve_build_asgi_app__(self) -> ASGIApp:
        app = create_app(self._settings, self._fleet)
        return Behind(app, self._fleet.clock, Rehearsal(app).run)


def application(arguments: dict[str, Any]) -> Application:
    """The application, for `serve run` and for config files.

    Args:
        arguments: `Options`; as text where they come from a command line.
    """
    options = Options.model_validate(arguments)
    engine = Engine.options(  # type: ignore[attr-defined]
        ray_actor_options=_needs(options.cpus_per_engine, options.gpus_per_engine, options.engine_resources),
        request_router_config=RequestRouterConfig.model_validate({"request_router_class": _ROUTER}),
        graceful_shutdown_timeout_s=_settings(options.settings).max_deadline_ms / 1000 + 5,
        **_number(options),
    )
    front = Front.options(  # type: ignore[attr-defined]
        num_replicas=options.fronts,
        ray_actor_options=_needs(options.cpus_per_front, 0, options.front_resources),
        graceful_shutdown_timeout_s=_settings(options.settings).max_deadline_ms / 1000 + 5,
    )
    bound: Application = front.bind(engine.bind(options.settings), options.settings)
    return bound


def _number(options: Options) -> dict[str, Any]:
    if options.most_engines is None:
        return {"num_replicas": options.engines}
    policy = AutoscalingPolicy.model_validate(
        {"policy_function": _POLICY, "policy_kwargs": {"target": options.shed_target}}
    )
    return {
        "autoscaling_config": AutoscalingConfig(
            min_replicas=options.engines,
            max_replicas=options.most_engines,
            upscale_delay_s=options.upscale_delay_s,
            downscale_delay_s=options.downscale_delay_s,
            look_back_period_s=options.look_back_s,
            policy=policy,
        )
    }


def _needs(cpus: float, gpus: float, resources: dict[str, float]) -> dict[str, Any]:
    return {"num_cpus": cpus, "num_gpus": gpus, "resources": resources}


def _settings(overrides: dict[str, Any]) -> Settings:
    return read_settings(overrides)[0]
