"""What each client may have in progress, by a clock that only the test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.access.clients import Client, Clients
from service.access.keys import Key, digest_of
from service.errors import (
    ConcurrencyLimited,
    KeyExpired,
    KeyNotAllowed,
    Overloaded,
    RateLimited,
    ServiceError,
    Unauthorized,
)
from service.metrics import Metrics
from service.settings import Settings

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
PATH = "/v1/generate"


def key(secret: str = "secret", **limits: Any) -> Key:
    return Key(sha256=digest_of(secret.encode()).hex(), **limits)


class World:
    """Clients, and a wall clock."""

    def __init__(self, **settings: Any) -> None:
        self.wall = NOON
        self.metrics = Metrics()
        self.clients = Clients(Settings(**settings), self.metrics, lambda: self.wall)

    def holder(self, secret: str = "secret") -> Client:
        return self.clients.holder(secret.encode())

    def counted(self) -> dict[tuple[str, str], float]:
        return {
            (sample.labels["key"], sample.labels["result"]): sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == "anytime_key_requests_total" and sample.value
        }


@pytest.fixture
def world() -> World:
    return World()


def test_whoever_has_no_key_of_ours_is_nobody(world: World) -> None:
    world.clients.replace_keys({"a": key()})
    for sent in (None, b"", b"secreT", b"\xff"):
        with pytest.raises(Unauthorized):
            world.clients.holder(sent)
    assert world.holder().name == "a"
    assert world.holder() is world.holder()
    assert world.counted() == {}


def test_a_rate_with_its_burst(world: World) -> None:
    world.clients.replace_keys({"a": key(rate=2.0, burst=3)})
    client = world.holder()
    for _ in range(3):
        client.enter(10.0)
        client.leave()
    with pytest.raises(RateLimited, match=r"The key a may make 2 requests per second, 3 at once; .* 0\.5 s") as raised:
        client.enter(10.0)
    assert raised.value.headers == {"Retry-After": "1"}
    client.enter(10.5)
    with pytest.raises(RateLimited):
        client.enter(10.9)
    client.enter(11.0)
    assert client.running == 2
    assert world.counted() == {("a", "admitted"): 5, ("a", "limited"): 2}


def test_a_slow_rate_says_how_long_to_wait(world: World) -> None:
    world.clients.replace_keys({"a": key(rate=0.1)})
    client = world.holder()
    client.enter(0.0)
    with pytest.raises(RateLimited) as raised:
        client.enter(2.5)
    assert raised.value.retry_after_s == 8
    client.enter(10.5)


def test_what_is_in_progress(world: World) -> None:
    world.clients.replace_keys({"a": key(concurrency=2, rate=1.0, burst=2)})
    client = world.holder()
    client.enter(0.0)
    client.enter(0.0)
    with pytest.raises(ConcurrencyLimited, match="The key a has 2 requests in progress") as raised:
        client.enter(1.0)
    assert raised.value.headers == {"Retry-After": "1"}
    client.leave()
    client.enter(1.0)  # the refusal took nothing of the rate


def test_the_servers_limit_is_for_keys_without_one() -> None:
    world = World(max_client_requests=1)
    world.clients.replace_keys({"a": key("one"), "b": key("two", concurrency=2)})
    for secret, most in (("one", 1), ("two", 2)):
        client = world.holder(secret)
        for _ in range(most):
            client.enter(0.0)
        with pytest.raises(ConcurrencyLimited):
            client.enter(0.0)


def test_an_expired_key_says_so_and_no_more(world: World) -> None:
    world.clients.replace_keys({"a": key(expires=NOON + timedelta(hours=1))})
    client = world.holder()
    client.check(PATH)
    world.wall += timedelta(hours=1)
    with pytest.raises(KeyExpired, match=r"The key a expired on 2026-05-04 13:00:00\+00:00; ask for another"):
        client.check(PATH)
    assert world.counted() == {("a", "unauthorized"): 1}


def test_a_key_for_metrics_alone(world: World) -> None:
    world.clients.replace_keys({"prometheus": key(metrics_only=True)})
    world.holder().check("/metrics")
    for path in (PATH, "/v1/models", "/metrics/", "/docs", "/v1/stream"):
        with pytest.raises(KeyNotAllowed, match="The key prometheus opens /metrics and nothing else"):
            world.holder().check(path)


def test_new_keys_hold_at_once_and_what_is_in_progress_stays_counted(world: World) -> None:
    world.clients.replace_keys({"a": key(concurrency=1), "b": key("other")})
    client, other = world.holder(), world.holder("other")
    client.enter(0.0)
    world.clients.replace_keys({"a": key(concurrency=2)})
    assert world.holder() is client
    client.enter(0.0)
    with pytest.raises(ConcurrencyLimited):
        client.enter(0.0)
    with pytest.raises(Unauthorized):
        world.holder("other")
    with pytest.raises(Unauthorized):
        other.check(PATH)  # an open websocket of a key that was revoked
    other.leave()


def test_another_rate_begins_anew_and_the_same_goes_on(world: World) -> None:
    world.clients.replace_keys({"a": key(rate=1.0)})
    client = world.holder()
    client.enter(0.0)
    world.clients.replace_keys({"a": key(rate=1.0)})
    with pytest.raises(RateLimited):
        client.enter(0.0)
    world.clients.replace_keys({"a": key(rate=1.0, burst=2)})
    client.enter(0.0)


def test_a_name_given_to_another_key_is_another_client(world: World) -> None:
    world.clients.replace_keys({"a": key("old")})
    old = world.holder("old")
    world.clients.replace_keys({"a": key("new")})
    with pytest.raises(Unauthorized):
        old.check(PATH)
    assert world.holder("new") is not old


def test_addresses_are_clients_where_there_are_no_keys() -> None:
    world = World(max_client_requests=2)
    client = world.clients.visitor("192.0.2.1")
    client.check(PATH)
    client.enter(0.0)
    world.clients.visitor("192.0.2.1").enter(0.0)
    with pytest.raises(ConcurrencyLimited, match="This address has 2 requests in progress"):
        world.clients.visitor("192.0.2.1").enter(0.0)
    world.clients.visitor("192.0.2.2").enter(0.0)
    assert world.counted() == {}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_a_network_of_the_new_kind_is_one_address(one: str, other: str, same: bool) -> None:
    clients = World(max_client_requests=1).clients
    clients.visitor(one).enter(0.0)
    assert (clients.visitor(other).running == 1) is same


def test_addresses_are_forgotten_with_their_last_request() -> None:
    clients = World(max_client_requests=1, max_client_sockets=1).clients
    client = clients.visitor("192.0.2.1")
    client.enter(0.0)
    client.open_socket(0.0)
    client.leave()
    assert clients.visitor("192.0.2.1") is client
    client.close_socket()
    assert clients.visitor("192.0.2.1") is not client


def test_sockets_per_client_and_altogether() -> None:
    world = World(max_client_sockets=1, max_sockets=2)
    world.clients.replace_keys({"a": key(rate=1.0, burst=1)})
    client = world.holder()
    client.open_socket(0.0)
    with pytest.raises(ConcurrencyLimited, match="The key a has 1 websockets open"):
        client.open_socket(5.0)
    client.close_socket()
    with pytest.raises(RateLimited):
        client.open_socket(0.5)
    for _ in range(2):
        world.clients.open_socket()
    with pytest.raises(Overloaded, match="All 2 websockets"):
        world.clients.open_socket()
    world.clients.close_socket()
    world.clients.open_socket()


def test_every_refusal_of_a_client_is_one_of_three_outcomes() -> None:
    classes = (Unauthorized, KeyExpired, KeyNotAllowed, RateLimited, ConcurrencyLimited)
    assert {each.outcome for each in classes} == {"unauthorized", "limited"}
    assert all(issubclass(each, ServiceError) for each in classes)
