"""Versions and aliases as clients see them, and what follows when the models change."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from api_client import api_client, counted
from fake_pool import FakePool, FakeTicket, app_over, manifest, result
from fastapi import FastAPI
from live_server import until

from service import messages
from service.api.rehearsal import Rehearsal
from service.api.resolve import find_model
from service.errors import InvalidField, ModelNotFound, Overloaded
from service.metrics import Metrics
from service.outcomes import Outcome
from service.registry import BundleState, Catalogue
from service.scheduler.costs import exactly
from service.settings import Settings

OLD, NEW, OTHER = manifest("m", version="1"), manifest("m", version="2"), manifest("other")


@pytest.fixture
def pool() -> FakePool:
    pool = FakePool()
    pool.manifests = Catalogue((OLD, NEW), {"prod": "m@1"})
    return pool


@pytest.fixture
async def client(pool: FakePool) -> AsyncIterator[httpx.AsyncClient]:
    async with api_client(pool) as each:
        yield each


@pytest.mark.parametrize(
    ("name", "version", "found"),
    [
        (None, None, NEW),
        ("m", None, NEW),
        ("m@1", None, OLD),
        ("m", "1", OLD),
        ("m@1", "1", OLD),
        ("prod", None, OLD),
        ("prod", "1", OLD),
        ("prod@1", None, OLD),
        ("m@1", "2", None),
        ("m@3", None, None),
        ("m", "3", None),
        ("prod", "2", None),
        ("m@", None, None),
        ("@1", None, None),
        ("", None, None),
        ("M", None, None),
    ],
)
def test_a_model_is_found_by_any_of_its_names(name: str | None, version: str | None, found: object) -> None:
    models = Catalogue((OLD, NEW), {"prod": "m@1"})
    if found:
        assert find_model(name, models, version) is found
    else:
        with pytest.raises(ModelNotFound, match="lists the 2 that are"):
            find_model(name, models, version)


def test_without_a_name_it_is_the_one_that_default_stands_for() -> None:
    assert find_model(None, Catalogue((OLD, NEW, OTHER), {"default": "m"})) is NEW
    assert find_model(None, Catalogue((OLD, NEW, OTHER), {"default": "m@1"})) is OLD
    assert find_model(None, Catalogue((OLD, NEW), {"default": "m@1"})) is OLD
    assert find_model(None, Catalogue((OLD, NEW), {"default": "gone"})) is NEW


def test_else_there_must_be_only_one() -> None:
    with pytest.raises(InvalidField, match="must be one of m, other"):
        find_model(None, Catalogue((OLD, NEW, OTHER)))
    with pytest.raises(InvalidField):
        find_model(None, Catalogue((OLD, NEW, OTHER), {"default": "gone"}))
    with pytest.raises(InvalidField):
        find_model(None, Catalogue(()))


async def test_an_answer_says_which_version_it_is_of(client: httpx.AsyncClient, pool: FakePool) -> None:
    for name, version in (("m", "2"), ("m@1", "1"), ("prod", "1")):
        answer = (await client.post("/v1/generate", json={"model": name})).json()
        assert (answer["model"], answer["version"]) == ("m", version)
        assert pool.tickets[-1].generation.model == (OLD if version == "1" else NEW).identity
        bare = await client.post("/v1/generate", json={"model": name}, headers={"accept": "image/png"})
        assert (bare.headers["x-anytime-model"], bare.headers["x-anytime-version"]) == ("m", version)
    assert await counted(client) == {("m", "complete"): 2, ("m@1", "complete"): 4}
    refused = await client.post("/v1/generate", json={"model": "m@3"})
    assert (refused.status_code, refused.json()["type"]) == (404, "urn:anytime:problem:model-not-found")


async def test_the_list_has_versions_aliases_and_bundles(client: httpx.AsyncClient, pool: FakePool) -> None:
    pool.bundles = [BundleState("new", "m@2", "ready"), BundleState("bad", None, "failed", "bundle.json: is not JSON")]
    listed = (await client.get("/v1/models")).json()
    assert [(each["name"], each["version"], each["default"], each["aliases"]) for each in listed["models"]] == [
        ("m", "2", True, []),
        ("m", "1", False, ["prod"]),
    ]
    assert listed["aliases"] == {"prod": "m@1"}
    assert listed["bundles"] == [
        {"folder": "new", "model": "m@2", "state": "ready", "error": None},
        {"folder": "bad", "model": None, "state": "failed", "error": "bundle.json: is not JSON"},
    ]
    for name, version in (("m", "2"), ("m@1", "1"), ("prod", "1")):
        assert (await client.get(f"/v1/models/{name}")).json()["version"] == version
    exposed = (await client.get("/metrics")).text
    for state, count in (("ready", 1), ("failed", 1), ("loading", 0), ("unloading", 0)):
        assert f'anytime_bundles{{state="{state}"}} {count}.0' in exposed


async def test_what_can_be_asked_for_changes_at_once(client: httpx.AsyncClient, pool: FakePool) -> None:
    pool.keep()
    pool.change(Catalogue((NEW, OTHER)))
    assert (await client.post("/v1/generate", json={"model": "m@1"})).status_code == 404
    assert (await client.post("/v1/generate", json={})).status_code == 422
    exposed = (await client.get("/metrics")).text
    assert 'anytime_requests_total{model="other",outcome="complete"} 0.0' in exposed
    assert 'anytime_model_info{model="m",version="2"} 1.0' in exposed
    assert 'model="m@1"' not in exposed


async def test_a_running_request_is_counted_for_what_it_was_asked_of(client: httpx.AsyncClient, pool: FakePool) -> None:
    def change_first(ticket: FakeTicket) -> None:
        pool.change(Catalogue((OTHER,)))
        ticket.tell(result(ticket))

    pool.on_submit = change_first
    assert (await client.post("/v1/generate", json={"model": "m@1"})).json()["version"] == "1"
    assert await counted(client) == {("m@1", "complete"): 1}
    pool.change(Catalogue((OTHER,)))  # with the next change it is forgotten
    assert await counted(client) == {}


def test_what_is_not_served_any_more_is_forgotten() -> None:
    metrics = Metrics()
    metrics.models(Catalogue((OLD, NEW)))
    minimum = messages.Minimum(exactly(0.001), exactly(0.001), 0.0, (0.0, 0.0), [])
    everything = messages.Result("t", [], messages.Timing(0, 0, 0, 0, 0))
    for label in ("m", "m@1", "m@7"):
        metrics.ended(label, Outcome.COMPLETE)
        metrics.answered(label, everything, seconds=0.1, slack=-0.1)
        metrics.previewed(label, 0.1)
        steps = {label: [messages.StepStat(1, 0.001)]}
        metrics.stats(0, messages.Stats(3, 0, steps, {label: 0.1}, {label: minimum}, 0.0, 0))
    assert b'model="m@1"' in metrics.exposition()
    metrics.models(Catalogue((NEW,)))
    exposed = metrics.exposition()
    assert b'model="m"' in exposed
    assert b"m@1" not in exposed
    assert b"m@7" not in exposed
    assert b'anytime_request_seconds_count{model="m"} 1.0' in exposed
    metrics.ended("m@1", Outcome.COMPLETE)
    assert b'anytime_requests_total{model="m@1",outcome="complete"} 1.0' in metrics.exposition()


def test_of_a_retiring_worker_only_sums_are_kept() -> None:
    metrics = Metrics()
    minimum = messages.Minimum(exactly(0.001), exactly(0.001), 0.0, (0.0, 0.0), [])
    for running, retiring in ((3, False), (1, True)):
        stats = messages.Stats(
            running, 0, {"m": [messages.StepStat(1, 0.001)]}, {"m": 0.1 * running}, {"m": minimum}, 0.0, 0
        )
        metrics.stats(0, stats, retiring)
    exposed = metrics.exposition()
    assert b'anytime_requests_running{worker="0"} 3.0' in exposed
    assert b'anytime_batch_size_count{model="m"} 2.0' in exposed


async def test_new_models_are_rehearsed(pool: FakePool) -> None:
    app: FastAPI = app_over(pool, Settings())
    async with app.router.lifespan_context(app):
        rehearsal = Rehearsal(app)
        await rehearsal.run()
        rehearsal.follow()
        asked = [ticket.generation.model for ticket in pool.tickets]
        assert asked == [NEW.identity, OLD.identity]
        pool.change(Catalogue((NEW, OTHER)))
        await until(lambda: len(pool.tickets) == 3)
        assert pool.tickets[-1].generation.model == OTHER.identity
        pool.refuse_with(Overloaded("no"))
        pool.change(Catalogue((OLD,)))
        await until(lambda: not rehearsal._running)
        assert 'outcome="complete"} 1' not in app.state.server.metrics.exposition().decode()


async def test_the_inference_protocol_has_versions(client: httpx.AsyncClient, pool: FakePool) -> None:
    assert (await client.get("/v2/models/m")).json()["versions"] == ["2", "1"]
    asked = {"inputs": [], "outputs": [{"name": "encoded"}], "parameters": {"format": "png"}}
    for path, version in (("m", "2"), ("m/versions/1", "1"), ("prod", "1"), ("prod/versions/1", "1"), ("m@1", "1")):
        assert (await client.get(f"/v2/models/{path}/ready")).status_code == 200
        answer = (await client.post(f"/v2/models/{path}/infer", json=asked)).json()
        assert (answer["model_name"], answer["model_version"]) == ("m", version)
        assert pool.tickets[-1].generation.model == (OLD if version == "1" else NEW).identity
    assert await counted(client) == {("m", "complete"): 1, ("m@1", "complete"): 4}
    for path in ("m/versions/3", "prod/versions/2", "m@1/versions/2"):
        assert (await client.get(f"/v2/models/{path}")).status_code == 404
    pool.bundles = [BundleState("a", "m@3", "failed", "no"), BundleState(None, "m@0", "unloading")]
    listed = (await client.post("/v2/repository/index")).json()
    assert [(each["version"], each["state"], each["reason"]) for each in listed] == [
        ("2", "READY", ""),
        ("1", "READY", ""),
        ("3", "UNAVAILABLE", "no"),
        ("0", "UNLOADING", ""),
    ]


async def test_names_that_openai_lists_can_be_asked_for(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/v1/models")).json()["data"]
    assert [each["id"] for each in listed] == ["m", "m@1"]
    asked = {"model": "m@1", "prompt": "bag", "response_format": "b64_json"}
    answer = (await client.post("/v1/images/generations", json=asked)).json()
    assert (answer["data"][0]["anytime"]["model"], answer["data"][0]["anytime"]["version"]) == ("m", "1")
