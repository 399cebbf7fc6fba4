"""What operations cost, learnt while serving."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from math import hypot, inf
from operator import add, attrgetter
from typing import NamedTuple

from service.scheduler.tables import BatchTable, Kind, KindTable

WINDOW = 128
HISTORY = 4096
LIKELY = 0.9
HIGH = 0.98
KNOWN = 50  # of fewer observations the high quantile is the largest
BUSY_BATCH = 8  # with it simulated overload made hardly anyone late; with 64 one in four, though fewer were refused


class Duration(NamedTuple):
    """How long something takes, in seconds: usually, mostly, and nearly always at most."""

    median: float
    likely: float
    high: float

    def then(self, other: Duration) -> Duration:
        """One after the other. What is rare in each hardly ever comes together, so their excesses add in quadrature."""
        median = self.median + other.median
        return Duration(
            median,
            median + hypot(self.likely - self.median, other.likely - other.median),
            median + hypot(self.high - self.median, other.high - other.median),
        )

    def times(self, factor: float) -> Duration:
        """So many at once, or that much larger: what slows one down slows all."""
        return Duration(self.median * factor, self.likely * factor, self.high * factor)


NO_TIME = Duration(0.0, 0.0, 0.0)


def exactly(seconds: float) -> Duration:
    """A duration that never varies."""
    return Duration(seconds, seconds, seconds)


class Window:
    """The last `size` observations of one duration, with their median and two higher quantiles.

    A high quantile over a short window rises as soon as a few observations are slow and falls only when they have all
    left, which is what a reserve should do. The median says what to expect.

    Attributes:
        history: the last observations, oldest first: those of the window, and more before them for the record.
    """

    def __init__(self, size: int = WINDOW) -> None:
        self.history: deque[float] = deque(maxlen=max(size, HISTORY))
        self._size = size
        self._ordered: list[float] = []

    def __len__(self) -> int:
        return len(self._ordered)

    def observe(self, seconds: float) -> None:
        """Add an observation; the oldest leaves when the window is full."""
        if len(self._ordered) == self._size:
            del self._ordered[bisect_left(self._ordered, self.history[-self._size])]
        self.history.append(seconds)
        insort(self._ordered, seconds)

    @property
    def duration(self) -> Duration:
        """The (upper) median and the higher quantiles. Raises IndexError if nothing was observed."""
        ordered, last = self._ordered, len(self._ordered) - 1
        return Duration(ordered[(last + 1) // 2], ordered[int(LIKELY * last)], ordered[int(HIGH * last)])


class _StageCosts:
    """What one operation costs in one stage by batch size, one window per bucket; see `BatchCosts`."""

    def __init__(self, buckets: Sequence[int]) -> None:
        self.windows = [Window() for _ in buckets]
        self._known: list[int] = []  # buckets that were used often
        # By bucket; worked out when they are asked for, since of most observations only a few are.
        self._durations: list[Duration] = []

    def observe(self, index: int, seconds: float) -> None:
        """Learn what a batch of a bucket took."""
        window = self.windows[index]
        window.observe(seconds)
        if len(window) == KNOWN:
            self._known = sorted({*self._known, index})
        # Those below a bucket depend on it only where they are hardly used, and take its pattern.
        del self._durations[index if self._known[: index + 1] == list(range(index + 1)) else 0 :]

    def limit(self, count: int) -> None:
        """Keep only the first buckets."""
        del self.windows[count:], self._durations[count:]
        self._known = [index for index in self._known if index < count]

    def duration(self, index: int) -> Duration:
        """What a bucket takes: as much as any below it, or more."""
        while len(self._durations) <= index:
            largest = self._durations[-1] if self._durations else NO_TIME
            if self.windows[len(self._durations)]:
                largest = _longest(largest, self._believed(len(self._durations)))
            self._durations.append(largest)
        return self._durations[index]

    def _believed(self, index: int) -> Duration:
        """What a bucket takes, by itself."""
        own = self.windows[index].duration
        if not self._known or index in self._known:
            return own
        pattern = self.windows[min(self._known, key=lambda other: abs(other - index))].duration
        return pattern.times(own.median / pattern.median) if pattern.median else own


class BatchCosts:
    """What one operation costs by batch size.

    A larger batch is never estimated below a smaller one, so that a slowdown which was seen in one bucket is at once
    believed of those above it, which may not have been used for long.

    A bucket that was hardly ever used is taken to vary as much, in proportion, as the nearest one that was. Else some
    slow measurements at the start would make it look dear, so that it is never used, and never known better.

    Stages are learnt apart, so that many observations of a cheap one never hide what a dear one costs. What is planned
    ahead is the dearest: a job that waits begins with the first, and those that run go from one to the next. Only what
    begins at once, and is over before anything else does, goes by the stage that it is in.

    Args:
        buckets: ascending batch sizes that the runtime pads to; a batch above the last one is several calls.
        passing: stages that a sample is in for one code only. They are not planned ahead, but heeded when they come.

    Attributes:
        high, median: seconds that a batch hardly ever exceeds, and that it usually takes.
    """

    def __init__(self, buckets: Sequence[int], passing: Collection[int] = ()) -> None:
        self.buckets = tuple(buckets)
        self._passing = passing
        self._stages: dict[int, _StageCosts] = {}
        self._bucket_of = [bisect_left(self.buckets, batch) for batch in range(self.buckets[-1] + 1)]
        self._durations: list[Duration] = []  # by bucket, once they are asked for
        self._highs = BatchTable(lambda: self._each(attrgetter("high")))
        self._medians = BatchTable(lambda: self._each(attrgetter("median")))
        self.high: Callable[[int], float] = self._highs.__getitem__
        self.median: Callable[[int], float] = self._medians.__getitem__

    @property
    def largest(self) -> int:
        """The largest batch that is done in one call."""
        return self.buckets[-1]

    def limit(self, largest: int) -> None:
        """Do larger batches in several calls from now on. At least the smallest bucket stays."""
        count = max(bisect_right(self.buckets, largest), 1)
        self.buckets = self.buckets[:count]
        for stage in self._stages.values():
            stage.limit(count)
        del self._bucket_of[self.largest + 1 :]
        self._forget()

    def observe(self, batch: int, seconds: float, stage: int = 0) -> None:
        """Learn that a batch of 1 .. the largest bucket took so long, all of it in one stage."""
        costs = self._stages.get(stage) or self._stages.setdefault(stage, _StageCosts(self.buckets))
        costs.observe(self._bucket_of[batch], seconds)
        self._forget()

    def _forget(self) -> None:
        """What was worked out is no longer so."""
        for known in (self._durations, self._highs, self._medians):
            known.clear()

    def _duration(self, index: int) -> Duration:
        """What a bucket takes in the dearest stage that is planned ahead."""
        if not self._durations:
            stages = [costs for stage, costs in self._stages.items() if stage not in self._passing]
            buckets = range(len(self.buckets))
            self._durations += [_longest(*(stage.duration(each) for stage in stages)) for each in buckets]
        return self._durations[index]

    def _each(self, quantile: Callable[[Duration], float]) -> Sequence[float]:
        """Seconds of every batch up to the largest bucket."""
        by_bucket = [quantile(self._duration(index)) for index in range(len(self.buckets))]
        return [0.0, *(by_bucket[index] for index in self._bucket_of[1:])]

    def history(self) -> dict[int, list[float]]:
        """The last observations by bucket, in seconds, stage after stage."""
        return {
            bucket: [each for stage in self._stages.values() for each in stage.windows[index].history]
            for index, bucket in enumerate(self.buckets)
        }

    def duration(self, batch: int) -> Duration:
        """What a batch takes; no time if it is empty, or if nothing was observed."""
        if not batch:
            return NO_TIME
        if batch < len(self._bucket_of):
            return self._duration(self._bucket_of[batch])
        calls, rest = divmod(batch, self.buckets[-1])
        whole, part = self._duration(len(self.buckets) - 1).times(calls), self.duration(rest)
        return Duration(*map(add, whole, part))

    def within(self, batch: int, stage: int) -> Duration:
        """What a batch takes in one stage; as planned ahead while nothing is known of that one."""
        if batch < len(self._bucket_of) and (costs := self._stages.get(stage)) is not None:
            duration = costs.duration(self._bucket_of[batch])
            if duration.high:
                return duration
        return self.duration(batch)


def _longest(*durations: Duration) -> Duration:
    """Each quantile's largest; no time if there are none."""
    return Duration(*map(max, NO_TIME, NO_TIME, *durations))


class EncodeCosts:
    """What encoding and sending one sample costs, by format and scale.

    Warm-up seeds a few scales of each format; a scale that was never seen is estimated from the nearest one of its
    format that was, in proportion to the pixels where it is larger.

    Attributes:
        high, median: seconds that one sample hardly ever exceeds, and that it usually takes.
    """

    def __init__(self) -> None:
        self._windows: dict[Kind, Window] = {}
        self._measured: dict[Kind, Duration] = {}
        self._highs = KindTable(lambda kind: self.duration(kind).high)
        self._medians = KindTable(lambda kind: self.duration(kind).median)
        self.high: Callable[[Kind], float] = self._highs.__getitem__
        self.median: Callable[[Kind], float] = self._medians.__getitem__

    def observe(self, kind: Kind, seconds: float) -> None:
        """Learn that encoding and sending one sample took so long."""
        window = self._windows.setdefault(kind, Window())
        window.observe(seconds)
        self._measured[kind] = window.duration
        for table in (self._highs, self._medians):
            table.clear()

    def duration(self, kind: Kind) -> Duration:
        """What one sample takes; no time if nothing is known of its format."""
        return by_pixels(self._measured, kind)

    def history(self) -> dict[Kind, list[float]]:
        """The last observations by kind, in seconds."""
        return {kind: list(window.history) for kind, window in self._windows.items()}

    def table(self) -> Mapping[Kind, Duration]:
        """What each kind that was measured takes."""
        return self._measured


def by_pixels(known: Mapping[Kind, Duration], kind: Kind) -> Duration:
    """What a kind takes, from the nearest known scale of its format; no time if there is none."""
    if kind in known:
        return known[kind]
    file_format, scale = kind
    scales = sorted((abs(each - scale), each) for other, each in known if other == file_format)
    if not scales:
        return NO_TIME
    nearest = scales[0][1]
    return known[file_format, nearest].times(max(1.0, (scale / nearest) ** 2))


class Rates(NamedTuple):
    """How long operations are taken to last, in seconds.

    Attributes:
        step, decode: by batch size.
        encode: of one sample, by kind.
    """

    step: Callable[[int], float]
    decode: Callable[[int], float]
    encode: Callable[[Kind], float]

    def finish(self, kinds: Iterable[Kind]) -> float:
        """Seconds to decode these samples in one batch and to encode and send each."""
        kinds = list(kinds)
        return self.decode(len(kinds)) + sum(map(self.encode, kinds))


class Costs:
    """What one model's operations cost on one device: seeded by warm-up, learnt from every operation since.

    Args:
        buckets: batch sizes that the runtime pads to, ascending.
        stages: positions from each of which on operations may cost something else; see `AnytimeModel.stages`.

    Attributes:
        steps: a turn that draws one code, with all that comes before it: reading requests, reporting, deciding.
        repeats: each further code that the same turn draws.
        decodes: with what comes before.
        encodes: with handing over the result.
    """

    def __init__(self, buckets: Sequence[int], stages: Sequence[int] = (0,)) -> None:
        self._stages = tuple(stages)
        lengths = [following - first for first, following in pairwise(self._stages)]
        passing = {stage for stage, length in enumerate(lengths) if stage and length == 1}
        self.steps = BatchCosts(buckets, passing)
        self.repeats = BatchCosts(buckets, passing)
        self.decodes = BatchCosts(buckets, passing)
        self.encodes = EncodeCosts()
        self.usual = Rates(self.steps.median, self.decodes.median, self.encodes.median)
        self._safe = Rates(self.steps.high, self.decodes.high, self.encodes.high)
        self.step, self.decode, self.encode = self._safe

    def finish(self, kinds: Iterable[Kind]) -> float:
        """The decode reserve: seconds to decode these samples in one batch and to encode and send each."""
        return self._safe.finish(kinds)

    def stage_of(self, position: int) -> int:
        """The stage that a sample with so many codes is in."""
        return bisect_right(self._stages, position) - 1

    def in_stages(self, positions: Sequence[int]) -> Mapping[int, int]:
        """How many of the samples with so many codes are in each stage; each is a batch of its own."""
        return {0: len(positions)} if len(self._stages) == 1 else Counter(map(self.stage_of, positions))

    def left_of_stage(self, position: int) -> float:
        """How many codes a sample with so many may draw until another stage begins; no end if it is in the last."""
        stage = bisect_right(self._stages, position)
        return self._stages[stage] - position if stage < len(self._stages) else inf

    def step_now(self, batch: int, stage: int) -> float:
        """Seconds of a step of samples that are all in this stage."""
        return self.step(batch) if len(self._stages) == 1 else self.steps.within(batch, stage).high

    def repeat(self, batch: int, stage: int) -> float:
        """Seconds that each further code of the same turn takes; as much as the first while that is not known."""
        return self.repeats.within(batch, stage).high or self.step(batch)

    def least(self, codes: int) -> float:
        """Seconds that drawing so many codes alone and decoding them usually takes."""
        return codes * self.steps.duration(1).median + self.decodes.duration(1).median

    def share(self, codes: int) -> float:
        """Seconds that one sample of so many codes usually takes of a busy device, decoded.

        The batches that come about when deadlines differ are far smaller than the largest.
        """
        return min(
            (codes * self.steps.duration(batch).median + self.decodes.duration(batch).median) / batch
            for batch in self.steps.buckets
            if batch <= BUSY_BATCH or batch == self.steps.buckets[0]
        )

    def further(self) -> float:
        """Seconds that each further sample adds to the first step and decode, at most, over the buckets."""
        first = self.step(1) + self.decode(1)
        return max(
            (
                (self.step(batch) + self.decode(batch) - first) / (batch - 1)
                for batch in self.steps.buckets
                if batch > 1
            ),
            default=first,
        )
