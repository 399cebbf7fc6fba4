"""What a server can do at most, found from outside by saturating it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

from models.errors import AnytimeError
from service.bench.connections import Connections, Exchange
from service.bench.schedule import Ask, Planned
from service.bench.target import Target
from service.bench.verdicts import Class, judge

DEADLINE_MS = 30_000.0
"""Long enough for every sample to be completed."""

_LEAST_CODE_SECONDS = 1e-9
_MOST_SECONDS = 3 * DEADLINE_MS / 1000  # beyond what was asked for, while whole rounds are waited for
_PAUSE_SECONDS = 0.25  # in which the server notices that nobody waits for what it still had to do


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a saturated server does.

    Attributes:
        full_per_s, one_code_per_s: requests per second, for full-length samples and for samples of one code.
        full_codes: how many codes a full-length sample has.
        n: samples per request.
        concurrency: full-length requests under way at once.
        sent: requests that it took to find this out.
    """

    full_per_s: float
    one_code_per_s: float
    full_codes: int
    n: int
    concurrency: int
    sent: int

    @property
    def code_s(self) -> float:
        """Seconds of the whole server per code: what a sample of one code does without, spread over the codes."""
        spread = max(self.full_codes - 1, 1)
        return max((self._full_s - self._one_code_s) / spread, _LEAST_CODE_SECONDS)

    @property
    def sample_s(self) -> float:
        """Seconds of the whole server per sample, beside its codes: to receive, decode, encode and answer."""
        return max(self._one_code_s - self.code_s, 0.0)

    @property
    def _full_s(self) -> float:
        return 1 / (self.full_per_s * self.n)

    @property
    def _one_code_s(self) -> float:
        # Where noise says that one code takes longer than all of them, codes cost nothing that can be measured.
        return min(1 / (self.one_code_per_s * self.n), self._full_s)


async def measure(target: Target, ask: Ask, seconds: float, warmup: float, concurrency: int) -> Capacity:
    """Saturate a server twice: with full-length requests, then with requests for one code.

    So many requests are under way that none more would help, but no more than the server completes: if it cuts samples
    short or refuses, half as many are tried.

    Args:
        seconds: how long each of the two is measured; longer if no whole round fits.
        warmup: seconds before that which do not count.
        concurrency: requests under way at first.

    Raises:
        AnytimeError: the server fails, or does not complete even one request at a time.
        OSError: it takes no connection.
    """
    saturation = _Saturation(target, seconds, warmup)
    full, concurrency = await saturation.highest(ask, concurrency)
    one_code = full
    if ask.max_codes > 1:
        one_code, _ = await saturation.highest(replace(ask, min_codes=1, max_codes=1), concurrency)
    return Capacity(full, one_code, ask.max_codes, ask.n, concurrency, saturation.sent)


class _Saturation:
    """Keeps a server as busy as it can be.

    Attributes:
        sent: requests so far.
    """

    def __init__(self, target: Target, seconds: float, warmup: float) -> None:
        self.sent = 0
        self._target = target
        self._seconds = seconds
        self._warmup = warmup

    async def highest(self, ask: Ask, concurrency: int) -> tuple[float, int]:
        """Requests per second with as many under way as are completed, at most `concurrency`, and how many they are."""
        while (rate := await self._run(ask, concurrency)) is None:
            if concurrency == 1:
                raise AnytimeError(
                    f"the server completes no sample within {DEADLINE_MS / 1000:g} seconds, even undisturbed"
                )
            concurrency //= 2
            await asyncio.sleep(_PAUSE_SECONDS)
        return rate, concurrency

    async def _run(self, ask: Ask, concurrency: int) -> float | None:
        """Requests per second with so many under way; None if one was refused or cut short."""
        connections = Connections(self._target)
        try:
            await connections.prepare(concurrency)
            begin = asyncio.get_running_loop().time() + self._warmup
            clients = [_Client(self._exchange, connections, ask, number) for number in range(concurrency)]
            async with asyncio.timeout(self._warmup + self._seconds + _MOST_SECONDS):
                await asyncio.gather(*(each.run(begin, begin + self._seconds) for each in clients))
        except _IncompleteError:
            return None
        except TimeoutError:
            raise AnytimeError("the server leaves requests unanswered") from None
        finally:
            await connections.close()
        return sum(each.rate for each in clients)

    def _exchange(self, ask: Ask, planned: Planned) -> Exchange:
        self.sent += 1
        request = self._target.request(ask.body(planned.deadline_ms, planned.seed))
        return Exchange(request, asyncio.get_running_loop().time())


class _IncompleteError(Exception):
    """A request was refused or cut short: the server has more than it can complete."""


class _Client:
    """Asks again as soon as it is answered.

    Attributes:
        rate: answers per second between the first and the last that counted. Answers come in bursts where samples share
            a batch; a client's own, from one to another, are whole rounds, and a count over a fixed time is not.
    """

    def __init__(
        self, make: Callable[[Ask, Planned], Exchange], connections: Connections, ask: Ask, number: int
    ) -> None:
        self.rate = 0.0
        self._make = make
        self._connections = connections
        self._ask = ask
        self._seeds = count(number << 32)

    async def run(self, begin: float, end: float) -> None:
        """Ask until `end`, and for at least one whole round after `begin`.

        Raises:
            _IncompleteError: the server has more than it can complete.
            AnytimeError: it fails.
        """
        clock = asyncio.get_running_loop().time
        first, rounds = None, 0
        while clock() < end or not self.rate:
            await self._once()
            answered = clock()
            if first is not None:
                rounds += 1
                self.rate = rounds / (answered - first)
            elif answered >= begin:
                first = answered

    async def _once(self) -> None:
        planned = Planned(0.0, DEADLINE_MS, next(self._seeds))
        exchange = self._make(self._ask, planned)
        self._connections.send(exchange)
        await exchange.done
        verdict = judge(planned, self._ask, exchange)
        if verdict.group is Class.FAILED:
            raise AnytimeError(f"the server failed to answer a request: {verdict.reason}")
        if verdict.group is Class.REFUSED or min(verdict.codes) < self._ask.max_codes:
            raise _IncompleteError
