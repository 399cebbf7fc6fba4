"""What operations cost, learnt while serving."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

Kind: TypeAlias = tuple[str, int]
"""How a sample is encoded: format and scale."""

WINDOW = 128
HIGH = 0.98


class Window:
    """The last `size` observations of one duration, with their median and a high quantile.

    A high quantile over a short window rises as soon as a few observations are slow and falls only when they have all
    left, which is what a reserve should do. The median says what to expect.

    Args:
        size: observations kept.
        high: the high quantile, 0 .. 1.
    """

    def __init__(self, size: int = WINDOW, high: float = HIGH) -> None:
        self._recent: deque[float] = deque(maxlen=size)
        self._ordered: list[float] = []
        self._quantile = high

    def __len__(self) -> int:
        return len(self._ordered)

    def observe(self, seconds: float) -> None:
        """Add an observation; the oldest leaves when the window is full."""
        if len(self._recent) == self._recent.maxlen:
            del self._ordered[bisect_left(self._ordered, self._recent[0])]
        self._recent.append(seconds)
        insort(self._ordered, seconds)

    @property
    def high(self) -> float:
        """The high quantile. Raises IndexError if nothing was observed."""
        return self._ordered[int(self._quantile * (len(self._ordered) - 1))]

    @property
    def median(self) -> float:
        """The (upper) median. Raises IndexError if nothing was observed."""
        return self._ordered[len(self._ordered) // 2]


class BatchCosts:
    """What one operation costs by batch size, one window per bucket.

    A larger batch is never estimated below a smaller one, so that a slowdown which was seen in one bucket is at once
    believed of those above it, which may not have been used for long.

    Args:
        buckets: ascending batch sizes that the runtime pads to; a batch above the last one is several calls.
    """

    def __init__(self, buckets: Sequence[int]) -> None:
        self.buckets = tuple(buckets)
        self._windows = [Window() for _ in buckets]
        self._high = [0.0] * len(buckets)
        self._median = [0.0] * len(buckets)
        self._bucket_of = [bisect_left(self.buckets, batch) for batch in range(self.buckets[-1] + 1)]

    def observe(self, batch: int, seconds: float) -> None:
        """Learn that a batch of 1 .. the largest bucket took so long."""
        self._windows[self._bucket_of[batch]].observe(seconds)
        high = median = 0.0
        for index, window in enumerate(self._windows):
            if window:
                high, median = max(high, window.high), max(median, window.median)
            self._high[index], self._median[index] = high, median

    def high(self, batch: int) -> float:
        """Seconds that a batch hardly ever exceeds; 0 for an empty batch, or if nothing was observed."""
        return self._estimate(self._high, batch)

    def median(self, batch: int) -> float:
        """Seconds that a batch usually takes."""
        return self._estimate(self._median, batch)

    def _estimate(self, per_bucket: list[float], batch: int) -> float:
        if not batch:
            return 0.0
        if batch < len(self._bucket_of):
            return per_bucket[self._bucket_of[batch]]
        calls, rest = divmod(batch, self.buckets[-1])
        return calls * per_bucket[-1] + self._estimate(per_bucket, rest)


class EncodeCosts:
    """What encoding and sending one sample costs, by format and scale.

    Warm-up seeds a few scales of each format; a scale that was never seen is estimated from the nearest one of its
    format that was, in proportion to the pixels where it is larger.
    """

    def __init__(self) -> None:
        self._windows: dict[Kind, Window] = {}
        self._high: dict[Kind, float] = {}
        self._median: dict[Kind, float] = {}

    def observe(self, kind: Kind, seconds: float) -> None:
        """Learn that encoding and sending one sample took so long."""
        if kind not in self._windows:
            self._windows[kind] = Window()
            # What was estimated from other scales no longer holds; only what was measured stays.
            self._high = {known: window.high for known, window in self._windows.items() if window}
            self._median = {known: window.median for known, window in self._windows.items() if window}
        window = self._windows[kind]
        window.observe(seconds)
        self._high[kind], self._median[kind] = window.high, window.median

    def high(self, kind: Kind) -> float:
        """Seconds that one sample hardly ever exceeds; 0 if nothing is known of its format."""
        if kind not in self._high:
            self._high[kind] = by_pixels(self.table(), kind)
        return self._high[kind]

    def median(self, kind: Kind) -> float:
        """Seconds that one sample usually takes."""
        if kind not in self._median:
            self._median[kind] = by_pixels({known: window.median for known, window in self._windows.items()}, kind)
        return self._median[kind]

    def table(self) -> dict[Kind, float]:
        """The high quantile of each kind that was measured."""
        return {kind: window.high for kind, window in self._windows.items()}


def by_pixels(known: Mapping[Kind, float], kind: Kind) -> float:
    """The cost of a kind, from the nearest known scale of its format; 0 if there is none."""
    if kind in known:
        return known[kind]
    file_format, scale = kind
    scales = sorted((abs(each - scale), each) for other, each in known if other == file_format)
    if not scales:
        return 0.0
    nearest = scales[0][1]
    return known[file_format, nearest] * max(1.0, (scale / nearest) ** 2)


class Costs:
    """What one model's operations cost on one device: seeded by warm-up, learnt from every operation since.

    Args:
        buckets: batch sizes that the runtime pads to, ascending.
    """

    def __init__(self, buckets: Sequence[int]) -> None:
        self.steps = BatchCosts(buckets)
        self.decodes = BatchCosts(buckets)
        self.encodes = EncodeCosts()
        # The scheduler asks for these thousands of times a second.
        self.step = self.steps.high
        self.decode = self.decodes.high
        self.encode = self.encodes.high

    def finish(self, kinds: Iterable[Kind]) -> float:
        """The decode reserve: seconds to decode these samples in one batch and to encode and send each."""
        kinds = list(kinds)
        return self.decode(len(kinds)) + sum(map(self.encode, kinds))

    def least(self, codes: int) -> float:
        """Seconds that drawing so many codes alone and decoding them usually takes."""
        return codes * self.steps.median(1) + self.decodes.median(1)

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
