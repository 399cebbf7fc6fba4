"""What an app needs of a pool, be its workers here (`Pool`) or behind other machines (`service.fleet.Fleet`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from service.clock import Clock
from service.pool.ticket import Generation, Ticket
from service.registry import BundleState, Catalogue


class AnyPool(Protocol):
    """Takes requests, and gives each exactly one ending. All methods are called from one event loop.

    Attributes:
        clock: of the deadlines.
    """

    clock: Clock

    @property
    def ready(self) -> bool:
        """Whether a request would be taken now."""

    @property
    def manifests(self) -> Catalogue:
        """The models that answer now, empty before `start`; another catalogue whenever they change."""

    @property
    def paths(self) -> Mapping[str, Path]:
        """The folder of each of these models, by identity, where it is on this machine."""

    @property
    def bundles(self) -> list[BundleState]:
        """What became of each bundle."""

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call this whenever there is another catalogue."""

    def rescan(self) -> None:
        """Look at the bundles now."""

    async def start(self) -> None:
        """Returns once requests are taken. Raises AnytimeError if that cannot be."""

    async def close(self) -> None:
        """Take no more, have every running request answered as it stands, and let go of all."""

    def minimum_deadline_ms(self, model: str) -> float | None:
        """The smallest deadline with which a request for one sample could be answered now; None if that is unknown."""

    def submit(self, generation: Generation, deadline: float) -> Ticket:
        """Take a request for a loaded model; `deadline` is in seconds on `clock`. Raises ServiceError to refuse it."""

    def delivered(self, ticket: Ticket) -> None:
        """The last byte of the ticket's result was handed to the transport."""
