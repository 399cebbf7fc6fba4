"""A pool behind calls: what a front asks of one machine's workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import msgspec

from service import messages
from service.clock import Clock, MonotonicClock, clock_id
from service.errors import DeadlineInfeasible, ModelNotFound, Overloaded, ServiceError
from service.fleet.demand import Busy, Demand, Load
from service.fleet.transit import Transit
from service.fleet.wording import refusal
from service.outcomes import StopReason
from service.pool import Generation, Pool, PoolObserver, Ticket
from service.settings import Settings

PULSE_S = 0.2
_PULSE_LASTS_S = 10.0
_CROWDED = (Overloaded, DeadlineInfeasible)


class Replica:
    """Answers calls by a pool.

    Args:
        settings: of the pool. What they keep back for the network is the front's business.
        name: by which the replica is called again.
        observer: is told about workers.
        pool: instead of the one of the settings.
    """

    def __init__(self, settings: Settings, name: str, observer: PoolObserver, pool: Pool | None = None) -> None:
        self.name = name
        self._busy = Busy(observer, settings.workers)
        self._clock: Clock = pool.clock if pool else MonotonicClock()
        self._pool = pool or Pool(settings.model_copy(update={"network_ms": 0.0}), self._busy, self._clock)
        self._transit = Transit(clock_id())
        self._demand = Demand()
        self._tickets: dict[str, Ticket] = {}
        self._calls = msgspec.msgpack.Decoder(messages.Call)
        self._told = msgspec.msgpack.Decoder(messages.Told)
        self._pack = msgspec.msgpack.Encoder().encode

    @property
    def ready(self) -> bool:
        """Whether a worker takes requests."""
        return self._pool.ready

    async def start(self) -> None:
        """Returns once a worker is ready. Raises AnytimeError if none can be."""
        await self._pool.start()

    async def close(self) -> None:
        """Answer what runs as it stands, and end the workers."""
        await self._pool.close()

    async def run(self, data: bytes) -> AsyncGenerator[bytes, None]:
        """Answer a `Call`: `Taken`, previews and `Answered`, or `Refused` in the place of whatever has not come."""
        received = self._clock.now()
        call = self._calls.decode(data)
        asked = call.submit
        spent = 0.0 if asked.sent_at is None else self._transit.spent_s(call.clock, asked.sent_at, received)
        generation = _generation(asked)
        deadline = received + asked.remaining_ms / 1000 - spent
        try:
            curve = self._curve(asked.model)
            alone = self._pool.alone_codes(generation, deadline)
            ticket = self._submit(generation, deadline, curve, alone)
        except ServiceError as error:
            yield self._pack(refusal(asked.id, self.name, error, 1000 * (deadline - received)))
            return
        self._tickets[asked.id] = ticket
        try:
            yield self._pack(messages.Taken(asked.id, self.name))
            async for message in ticket:
                if isinstance(message, messages.Preview):
                    yield self._pack(message)
                    continue
                if all(output.stop_reason != StopReason.CLIENT_STOP for output in message.outputs):
                    self._demand.answered(self._clock.now(), curve, alone, message.outputs)
                held_ms = 1000 * (self._clock.now() - received)
                yield self._pack(messages.Answered(message, 1000 * spent, held_ms))
                self._pool.delivered(ticket)
        except ServiceError as error:
            yield self._pack(refusal(asked.id, self.name, error, 1000 * (deadline - received)))
        finally:
            if self._tickets.get(asked.id) is ticket:
                del self._tickets[asked.id]
            ticket.cancel()  # without effect if it has ended

    def tell(self, data: bytes) -> None:
        """Act on a `Told`; one about a request that is not here crossed its ending on the way."""
        now = self._clock.now()
        told = self._told.decode(data)
        message = told.message
        ticket = self._tickets.get(message.id)
        if ticket is None:
            return
        if isinstance(message, messages.Stop):
            ticket.stop()
        else:
            spent = 0.0 if message.sent_at is None else self._transit.spent_s(told.clock, message.sent_at, now)
            ticket.extend(now + message.remaining_ms / 1000 - spent)

    async def pulse(self) -> AsyncGenerator[bytes, None]:
        """Something now and then, from the loop that serves requests, for some seconds."""
        for _ in range(round(_PULSE_LASTS_S / PULSE_S)):
            yield b""
            await asyncio.sleep(PULSE_S)

    def look(self) -> bytes:
        """The `Roster`."""
        models = self._pool.manifests
        minimums = {each.identity: self._pool.minimum_deadline_ms(each.identity) for each in models.values()}
        return self._pack(
            messages.Roster(
                [each.model_dump_json() for each in models.values()],
                models.aliases,
                {identity: least for identity, least in minimums.items() if least is not None},
            )
        )

    def load(self) -> Load:
        """How it fared of late."""
        now = self._clock.now()
        return self._demand.load(now, self._busy.share(now))

    def _submit(self, generation: Generation, deadline: float, curve: Sequence[float], alone: int) -> Ticket:
        try:
            return self._pool.submit(generation, deadline)
        except _CROWDED:
            self._demand.refused(self._clock.now(), curve, alone, generation.n)
            raise

    def _curve(self, identity: str) -> Sequence[float]:
        """The quality curve of a model. Raises ModelNotFound."""
        for manifest in self._pool.manifests.values():
            if manifest.identity == identity:
                return manifest.quality_curve
        raise ModelNotFound("The model is not here: it is being replaced.")


def _generation(asked: messages.Submit) -> Generation:
    return Generation(
        model=asked.model,
        n=asked.n,
        sampling=asked.sampling,
        encoding=asked.encoding,
        min_codes=asked.min_codes,
        max_codes=asked.max_codes,
        preview_ms=asked.preview_ms,
        target_codes=asked.target_codes,
        priority=asked.priority,
    )
