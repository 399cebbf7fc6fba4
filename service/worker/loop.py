"""The worker's loop."""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence

from service import messages
from service.clock import Clock
from service.worker import report
from service.worker.channel import Channel
from service.worker.engine import Engine
from service.worker.shutdown import Shutdown

_logger = logging.getLogger(__name__)

_SHORT_REST = 0.05
_LONG_REST = 1.0
_MEASURING_REST = 0.1  # so that a request hardly ever comes during a measurement and has to wait


class Loop:
    """Messages in, one action of one model, messages out; again.

    Args:
        engines: one per model, warmed up.
        channel: to the API process.
        clock: of the deadlines.
        shutdown: tells when to end.
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        channel: Channel[messages.ToWorker],
        clock: Clock,
        shutdown: Shutdown,
    ) -> None:
        self._engines = {engine.name: engine for engine in engines}
        self._channel = channel
        self._clock = clock
        self._shutdown = shutdown
        self._turns = list(engines)  # least recently served first
        self._draining = False
        self._reported = clock.now()
        self._usage = report.Usage()

    def run(self) -> None:
        """Serve until told to end, or the API process is gone. When told, answer first what is in progress."""
        looked = accounted = self._clock.now()
        while not self._channel.closed:
            looked = self._receive(looked)
            if self._shutdown.requested and not self._draining:
                self._drain()
            engine = self._next()
            if engine:
                accounted = engine.turn(accounted, self._others(engine))
                self._report(report.INTERVAL)
            elif self._shutdown.requested:
                return
            else:
                looked = accounted = self._rest()

    def _receive(self, looked: float) -> float:
        """Take in every message that has come since `looked`, when the loop last asked; returns when it did so now."""
        now = self._clock.now()
        for message in self._channel.drain():
            self._handle(message, looked)
        return now

    def _handle(self, message: messages.ToWorker, looked: float) -> None:
        match message:
            case messages.Submit():
                if engine := self._engines.get(message.model):
                    engine.submit(message, self._received(message, looked), draining=self._draining)
                else:
                    self._channel.send(messages.Failed(message.id, f"No model {message.model} is loaded here."))
            case messages.Extend() | messages.Stop() | messages.Cancel():
                for engine in self._engines.values():
                    self._change(engine, message, looked)
            case messages.Remeasure():
                if engine := self._engines.get(message.model):
                    engine.doubt(message.n, (message.encoding.format, message.encoding.scale))
            case messages.Drain():
                self._drain()

    def _change(
        self, engine: Engine, message: messages.Extend | messages.Stop | messages.Cancel, looked: float
    ) -> None:
        match message:
            case messages.Extend():
                engine.extend(message.id, self._received(message, looked) + message.remaining_ms / 1000)
            case messages.Stop():
                engine.stop(message.id)
            case messages.Cancel():
                engine.cancel(message.id)

    def _received(self, message: messages.Submit | messages.Extend, looked: float) -> float:
        """When a message came, from which its remaining time is counted.

        It did so since `looked`. It is believed when it says that it was sent, if that is possible; else it is taken to
        have waited all the while: too early by a step at most, and never too late.
        """
        sent = message.sent_at
        return looked if sent is None or not looked <= sent <= self._clock.now() else sent

    def _drain(self) -> None:
        self._draining = True
        for engine in self._engines.values():
            engine.drain()

    def _next(self) -> Engine | None:
        """The model whose turn it is: of those with something to do, the one that has waited longest."""
        for index, engine in enumerate(self._turns):
            if engine.busy:
                self._turns.append(self._turns.pop(index))
                return engine
        return None

    def _others(self, engine: Engine) -> float:
        """How long the others may have the device until this model's next turn: one turn each."""
        return sum(other.turn_s for other in self._turns if other is not engine and other.busy)

    def _report(self, interval: float) -> None:
        now = self._clock.now()
        if now - self._reported >= interval:
            self._reported = now
            self._channel.send(report.stats(self._turns, self._usage))

    def _rest(self) -> float:
        """Nothing to do: sleep until a message comes, tidying up first if none comes soon. Returns when it woke."""
        if not self._channel.wait(_SHORT_REST):
            self._tidy()
            while not self._shutdown.requested:
                in_doubt = next((engine for engine in self._turns if engine.in_doubt), None)
                if self._channel.wait(_MEASURING_REST if in_doubt else _LONG_REST):
                    break
                if in_doubt:
                    in_doubt.remeasure()
                    self._report(report.INTERVAL)
        return self._clock.now()

    def _tidy(self) -> None:
        """What the loop must not be held up by: checks, garbage, the last numbers."""
        for engine in self._turns:
            engine.check_integrity()
            if engine.suspect:
                engine.remeasure()  # a device that is broken for good ends the process here, and a new one is started
                engine.suspect = False
        gc.collect()
        self._report(0.0)
