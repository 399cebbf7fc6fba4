"""What Ray Serve is given: which replica a call goes to, how many there should be, and what is said of a loss."""

from __future__ import annotations

import time
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, cast

import pytest
from manual_clock import ManualClock
from ray.exceptions import ActorDiedError, RayTaskError
from ray.serve import context as serve_context
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary
from ray.serve._private.common import DeploymentID, ReplicaID
from ray.serve._private.request_router.common import ReplicaQueueLengthCache, RequestRoutingContext
from ray.serve.exceptions import DeploymentUnavailableError

from deploy.ray import proxy
from deploy.ray.application import application
from deploy.ray.carrier import ServeCarrier
from deploy.ray.policy import ShedQuality
from deploy.ray.router import NamedReplicas
from service.fleet import ReplicaLost
from service.fleet.demand import Load
from service.fleet.stamp import Stamp


def replicas(*names: str) -> list[Any]:
    return [SimpleNamespace(replica_id=ReplicaID(name, DeploymentID("Engine"))) for name in names]


def made_router() -> NamedReplicas:
    """One without the connections that Serve would make for it."""
    router = object.__new__(NamedReplicas)
    router._replica_queue_len_cache = ReplicaQueueLengthCache()
    router._use_replica_queue_len_cache = True
    router._queue_len_gauge_last_update = {}
    router._get_curr_time_s = time.time
    router.router_queue_len_gauge = SimpleNamespace(set=lambda *_, **__: None)
    router.initialize_state()
    return router


async def chosen(candidates: list[Any], router: NamedReplicas | None = None, **wishes: object) -> set[str]:
    """The names of those that may get a call."""
    router = router or made_router()
    context = RequestRoutingContext()
    pending: Any = SimpleNamespace(kwargs=wishes, routing_context=context)
    (ranks,) = await router.choose_replicas(candidates, pending)
    assert context.should_backoff
    # Nobody is asked how busy it is: that would take longer than some deadlines.
    assert all(router.replica_queue_len_cache.get(each.replica_id) is not None for each in ranks)
    return {each.replica_id.unique_id for each in ranks}


async def test_a_call_goes_to_the_replica_that_it_names() -> None:
    assert await chosen(replicas("a", "b", "c"), to="b") == {"b"}
    assert await chosen(replicas("a", "c"), to="b") == set()


async def test_a_call_avoids_replicas_as_long_as_there_are_others() -> None:
    assert await chosen(replicas("a", "b", "c"), avoid=["a", "b"]) == {"c"}
    assert await chosen(replicas("a", "b"), avoid=["a", "b"]) == {"a", "b"}


async def test_of_many_two_are_looked_at() -> None:
    many = replicas(*"abcdefgh")
    seen = [frozenset(await chosen(many, avoid=[])) for _ in range(50)]
    assert {len(pair) for pair in seen} == {2}
    assert len(set(seen)) > 5


async def test_who_cannot_be_reached_does_not_seem_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    monkeypatch.setattr("time.monotonic", clock.now)
    router, pair = made_router(), replicas("a", "b")
    router.on_replica_actor_unavailable(pair[0].replica_id)
    assert await chosen(pair, router) == {"b"}
    assert await chosen(pair[:1], router) == {"a"}  # better than nobody
    clock.spend(5.0)
    assert await chosen(pair, router) == {"a", "b"}
    router.on_send_request(pair[0].replica_id)  # one call is risked, and no more
    assert await chosen(pair, router) == {"b"}
    router.on_new_queue_len_info(pair[0].replica_id, 1)
    assert await chosen(pair, router) == {"a", "b"}


async def test_who_does_not_say_that_it_has_what_it_was_sent_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    monkeypatch.setattr("time.monotonic", clock.now)
    router, pair = made_router(), replicas("a", "b")
    for each in pair:
        router.on_send_request(each.replica_id)
    router.on_new_queue_len_info(pair[1].replica_id, 3)
    assert await chosen(pair, router) == {"a", "b"}
    clock.spend(0.3)
    assert await chosen(pair, router) == {"b"}
    clock.spend(4.9)
    assert await chosen(pair, router) == {"a", "b"}
    router.on_send_request(pair[0].replica_id)
    clock.spend(0.1)
    assert await chosen(pair, router) == {"b"}


def context(loads: dict[str, Load], current: int) -> Any:
    metrics = {name: {replica: getattr(load, name) for replica, load in loads.items()} for name in Load._fields}
    return SimpleNamespace(aggregated_metrics=metrics, current_num_replicas=current)


def test_engines_are_added_by_shed_quality() -> None:
    policy = ShedQuality(target=0.02)
    crowded = Load(10.0, 0.2, 200.0, 100.0, 1.0)
    assert policy(context({"a": crowded, "b": crowded}, 2)) == (4, {})
    assert policy(context({"a": Load(), "b": Load()}, 2)) == (1, {})
    assert policy(context({}, 2)) == (2, {})
    assert policy(cast("Any", SimpleNamespace(aggregated_metrics=None, current_num_replicas=2))) == (2, {})


class FakeMethod:
    def __init__(self, error: Exception) -> None:
        self._error = error
        self.cancelled = False

    def remote(self, *_arguments: object, **_wishes: object) -> FakeMethod:
        return self

    def cancel(self) -> None:
        self.cancelled = True

    def __aiter__(self) -> FakeMethod:
        return self

    async def __anext__(self) -> bytes:
        raise self._error


@pytest.mark.parametrize("error", [ActorDiedError(), DeploymentUnavailableError(cast("Any", "Engine"))])
async def test_a_replica_that_is_gone_is_lost(error: Exception) -> None:
    method = FakeMethod(error)
    handle: Any = SimpleNamespace(run=method, options=lambda **_: handle)
    with pytest.raises(ReplicaLost, match=type(error).__name__):
        await anext(ServeCarrier(handle).run(b"", []))
    assert method.cancelled


async def test_calls_for_one_request_are_not_taken_for_one_call() -> None:
    """Serve gives a call the id of the request in whose context it is made, and finds calls that wait by it."""
    requests = cast("ContextVar[Any]", serve_context._serve_request_context)
    requests.set(serve_context._RequestContext(_internal_request_id="the request's"))
    seen = []

    def remote(*_arguments: object, **_wishes: object) -> FakeMethod:
        seen.append(serve_context._get_serve_request_context()._internal_request_id)
        return FakeMethod(StopAsyncIteration())

    handle: Any = SimpleNamespace(run=SimpleNamespace(remote=remote), options=lambda **_: handle)
    for _ in range(2):
        assert [said async for said in ServeCarrier(handle).run(b"", [])] == []
    assert seen == ["", ""]  # which Serve replaces by a new one


async def test_what_a_replica_raises_is_no_loss() -> None:
    error = RayTaskError("run", "Traceback ...", ValueError("a bug"))  # type: ignore[no-untyped-call]
    handle: Any = SimpleNamespace(run=FakeMethod(error), options=lambda **_: handle)
    with pytest.raises(RayTaskError):
        await anext(ServeCarrier(handle).run(b"", []))


def test_the_application_is_made_of_its_options() -> None:
    """By Serve, which has a dictionary, with text in it if it is from a command line."""
    arguments = {"engines": "2", "most_engines": "8", "gpus_per_engine": "1", "shed_target": 0.05}
    made = call_user_app_builder_with_args_if_necessary(application, arguments)  # type: ignore[arg-type]
    engine = made._bound_deployment.init_args[0]._bound_deployment
    scaling = engine._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas) == (2, 8)
    assert scaling.policy.policy_kwargs == {"target": 0.05}
    assert engine._replica_config.ray_actor_options["num_gpus"] == 1
    assert engine._deployment_config.graceful_shutdown_timeout_s == 65


def test_proxies_stamp() -> None:
    (middleware,) = proxy.middlewares()
    assert cast("Any", middleware.cls) is Stamp
