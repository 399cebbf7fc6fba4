"""Who asks: the holder of a key, or everybody at an address; and what each has in progress."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from service.access.bucket import TokenBucket
from service.access.keys import Key, KeyRing
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

_METRICS_PATH = "/metrics"
_NETWORK_BITS = 64  # of an IPv6 address, which every household has: the other half its members choose as they like


def longest_ms(client: Client | None, settings: Settings) -> float:
    """The longest deadline that a client may have, in milliseconds; of None, if nobody keeps count who asks."""
    own = client.key.max_deadline_ms if client and client.key else None
    return settings.max_deadline_ms if own is None else min(own, settings.max_deadline_ms)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Client:
    """One holder of a key, or one address, from its first request on. Not made but by `Clients`.

    Attributes:
        name: of the key; None for an address.
        key: what it may; None for an address, and for a key that was revoked since.
        running: requests in progress.
        sockets: websockets that are open.
    """

    def __init__(self, clients: Clients, name: str | None, key: Key | None, address: str | None = None) -> None:
        self.name = name
        self.key = key
        self.running = 0
        self.sockets = 0
        self._clients = clients
        self._address = address
        self._bucket: TokenBucket | None = None

    def check(self, path: str) -> None:
        """See whether it may come to a path at all.

        Raises:
            Unauthorized: its key was revoked.
            KeyExpired: its key is no longer good.
            KeyNotAllowed: its key is for something else.
        """
        if self.name is None:
            return
        if self.key is None:
            raise self._refused(Unauthorized())
        if self.key.expired(self._clients.wall_clock()):
            raise self._refused(KeyExpired(f"{self._who} expired on {self.key.expires}; ask for another."))
        if self.key.metrics_only and path != _METRICS_PATH:
            raise self._refused(KeyNotAllowed(f"{self._who} opens {_METRICS_PATH} and nothing else."))

    def enter(self, now: float) -> None:
        """A request begins, and is in progress until `leave`. `now` is in seconds on the server's clock.

        Raises:
            ConcurrencyLimited: it has as many in progress as it may.
            RateLimited: it comes too often.
        """
        most = (self.key and self.key.concurrency) or self._clients.most_requests
        if most is not None and self.running >= most:
            detail = f"{self._who} has {self.running} requests in progress, as many as it may; wait until one ends."
            raise self._refused(ConcurrencyLimited(detail))
        self._take(now)
        self.running += 1

    def leave(self) -> None:
        """A request has ended."""
        self.running -= 1
        self._clients.left(self, self._address)

    def open_socket(self, now: float) -> None:
        """A websocket is opened, which counts as a request to its rate; open until `close_socket`.

        Raises:
            ConcurrencyLimited: it has as many open as it may.
            RateLimited: it comes too often.
        """
        most = self._clients.most_sockets
        if most is not None and self.sockets >= most:
            detail = f"{self._who} has {self.sockets} websockets open, as many as it may; requests can share one."
            raise self._refused(ConcurrencyLimited(detail))
        self._take(now)
        self.sockets += 1

    def close_socket(self) -> None:
        """A websocket was closed."""
        self.sockets -= 1
        self._clients.left(self, self._address)

    @property
    def _who(self) -> str:
        return "This address" if self.name is None else f"The key {self.name}"

    def _take(self, now: float) -> None:
        key = self.key
        if key is not None and key.rate is not None:
            if self._bucket is None or (self._bucket.rate, self._bucket.burst) != (key.rate, key.most_at_once):
                self._bucket = TokenBucket(key.rate, key.most_at_once, now)
            if wait := self._bucket.take(now):
                often = f"{key.rate:g} requests per second, {key.most_at_once:g} at once"
                raise self._refused(RateLimited(f"{self._who} may make {often}; the next in {wait:.3g} s.", wait))
        if self.name is not None:
            self._clients.metrics.key_request(self.name, "admitted")

    def _refused(self, error: ServiceError) -> ServiceError:
        if self.name is not None:
            self._clients.metrics.key_request(self.name, error.outcome)
        return error


class Clients:
    """Everybody who may come in, with what each has in progress. All methods are called from one event loop.

    Args:
        settings: what those may who have no limits of their own.
        wall_clock: by which keys expire.

    Attributes:
        most_requests, most_sockets: per client; None for any.
    """

    def __init__(self, settings: Settings, metrics: Metrics, wall_clock: Callable[[], datetime] = _utc_now) -> None:
        self.metrics = metrics
        self.wall_clock = wall_clock
        self.most_requests = settings.max_client_requests
        self.most_sockets = settings.max_client_sockets
        self._all_sockets = settings.max_sockets
        self._sockets = 0
        self._holders: dict[str, Client] = {}
        self._visitors: dict[str, Client] = {}
        self._ring = KeyRing(())

    def replace_keys(self, keys: Mapping[str, Key]) -> None:
        """From now on these keys, by name, are good, and no others. What a key has in progress stays counted."""
        before, self._holders = self._holders, {}
        for name, key in keys.items():
            client = before.get(name)
            if client is not None and client.key is not None and client.key.sha256 == key.sha256:
                client.key = key
                self._holders[name] = before.pop(name)
            else:
                self._holders[name] = Client(self, name, key)
        for gone in before.values():
            gone.key = None
        self.metrics.keys(keys)
        self._ring = KeyRing((name, bytes.fromhex(key.sha256)) for name, key in keys.items())

    def holder(self, sent: bytes | None) -> Client:
        """The holder of the key that was sent. Raises Unauthorized if there is none."""
        name = None if sent is None else self._ring.find(sent)
        if name is None:
            raise Unauthorized
        return self._holders[name]

    def visitor(self, address: str) -> Client:
        """Whoever comes from an address, without a key."""
        network = _network(address)
        client = self._visitors.get(network)
        if client is None:
            client = self._visitors[network] = Client(self, None, None, network)
        return client

    def left(self, client: Client, address: str | None) -> None:
        """Something of a client has ended. Addresses are forgotten with their last."""
        if address is not None and not client.running and not client.sockets:
            self._visitors.pop(address, None)

    def open_socket(self) -> None:
        """A websocket is opened, open until `close_socket`. Raises Overloaded if there are too many."""
        if self._sockets >= self._all_sockets:
            raise Overloaded(f"All {self._all_sockets} websockets that this server may have are open.")
        self._sockets += 1

    def close_socket(self) -> None:
        """A websocket was closed."""
        self._sockets -= 1


def _network(address: str) -> str:
    """What counts as one address: all of IPv4, and of IPv6 the network."""
    if ":" not in address:
        return address
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.IPv6Network((int(found), _NETWORK_BITS), strict=False))
    return address
