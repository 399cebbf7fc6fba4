"""A pool without workers: tests decide what each ticket is told, and when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from fastapi import FastAPI
from manual_clock import ManualClock

from models.bundle.manifest import Manifest
from models.config import AutoencoderConfig, Media, TransformerConfig
from service import messages
from service.api.app import create_app
from service.codec import Codec
from service.errors import Draining, ServiceError
from service.metrics import Metrics
from service.pool import Generation, Pool, Ticket
from service.pool.ticket import TicketOwner
from service.registry import BundleState, Catalogue
from service.settings import Settings

PNG = b"\x89PNG\r\n\x1a\n-not-really"


def manifest(
    name: str = "tiny", labels: tuple[str, ...] = ("Boot", "Bag", "Coat"), side: int = 4, version: str = "1"
) -> Manifest:
    """A model of 4 codes over square grey pictures."""
    return Manifest(
        name=name,
        version=version,
        media=Media(type="image", shape=(1, side, side)),
        labels=labels,
        autoencoder=AutoencoderConfig(codes=4, codebook=8, filters=(2,), strides=(2,), widths=()),
        prior=TransformerConfig(layers=1, width=8, feed_forward=8, heads=1),
        quality_curve=(0.0, 0.5, 0.75, 0.9, 1.0),
    )


def audio_manifest(name: str = "clips", sample_rate: int = 8000, channels: int = 1) -> Manifest:
    """A model of 4 codes over clips of a hundredth of a second."""
    values = manifest(name).model_dump()
    values["media"] = {"type": "audio", "shape": (channels, sample_rate // 100), "sample_rate": sample_rate}
    return Manifest.model_validate(values)


def output(index: int = 0, codes: int = 4, stop_reason: str = "complete", data: bytes = PNG) -> messages.Output:
    """One encoded sample."""
    return messages.Output(index, data, list(range(codes)), stop_reason, (0.0, 0.5, 0.75, 0.9, 1.0)[codes])


def result(ticket: FakeTicket, codes: int = 4, stop_reason: str = "complete", data: bytes = PNG) -> messages.Result:
    """The answer to a ticket, every sample with the same number of codes."""
    outputs = [output(index, codes, stop_reason, data) for index in range(ticket.generation.n)]
    return messages.Result(ticket.id, outputs, messages.Timing(0.5, 3.0, 1.0, 0.25, 5.0))


class FakeTicket(Ticket):
    """A ticket that is told what the test puts in."""

    cancelled = False
    delivered = False

    def tell(self, message: messages.Preview | messages.Result | Exception) -> None:
        """A preview or the ending; one that comes after the ending comes too late."""
        if self.ended:
            return
        if isinstance(message, messages.Preview):
            self.show(message)
        else:
            self.end(cast("messages.Result | ServiceError", message))  # or anything else that may go wrong


class FakePool:
    """The pool's interface. `on_submit` acts as the worker: it may answer the ticket, keep it, or raise a refusal."""

    def __init__(self, *manifests: Manifest) -> None:
        self.clock = ManualClock()
        self.manifests = Catalogue(manifests or (manifest(),))
        self.bundles = [BundleState(each.name, each.reference, "ready") for each in self.manifests.values()]
        self.paths = {each.identity: Path("bundles") / each.name for each in self.manifests.values()}
        self.listeners: list[Callable[[], None]] = []
        self.rescans = 0
        self.ready = False
        self.closed = 0
        self.tickets: list[FakeTicket] = []
        self.on_submit: Callable[[FakeTicket], None] = lambda ticket: ticket.tell(result(ticket))

    @property
    def running(self) -> int:
        return len(self.tickets)

    def on_change(self, listener: Callable[[], None]) -> None:
        self.listeners.append(listener)

    def change(self, catalogue: Catalogue) -> None:
        """Other models answer from now on."""
        self.manifests = catalogue
        for listener in self.listeners:
            listener()

    def rescan(self) -> None:
        self.rescans += 1

    async def start(self) -> None:
        self.ready = True

    async def close(self) -> None:
        self.ready = False
        self.closed += 1
        for ticket in self.tickets:
            ticket.tell(result(ticket, 1, "drain"))

    def minimum_deadline_ms(self, _model: str) -> float | None:
        return 3.25

    def alone_codes(self, generation: Generation, _deadline: float) -> int:
        return generation.max_codes

    def submit(self, generation: Generation, deadline: float) -> FakeTicket:
        if self.closed:
            raise Draining("The server is shutting down.")
        ticket = FakeTicket(f"t{len(self.tickets)}", generation, deadline, self.clock.now(), cast("TicketOwner", self))
        self.on_submit(ticket)
        self.tickets.append(ticket)
        return ticket

    def extend(self, _ticket: FakeTicket) -> None:
        """The ticket has its new deadline already."""

    def stop(self, ticket: FakeTicket) -> None:
        ticket.tell(result(ticket, 2, "client_stop"))

    def cancel(self, ticket: FakeTicket) -> None:
        ticket.cancelled = True
        ticket.end(None)

    def delivered(self, ticket: FakeTicket) -> None:
        assert not ticket.delivered
        ticket.delivered = True

    def refuse_with(self, error: ServiceError) -> None:
        def refuse(_ticket: FakeTicket) -> None:
            raise error

        self.on_submit = refuse

    def keep(self) -> None:
        """Leave tickets unanswered until the test answers them."""
        self.on_submit = lambda _ticket: None


def app_over(pool: FakePool, settings: Settings, metrics: Metrics | None = None, codec: Codec | None = None) -> FastAPI:
    """The app, with this pool in place of one with workers."""
    return create_app(settings, cast("Pool", pool), metrics, codec)
