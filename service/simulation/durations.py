"""How long a simulated device takes: drawn from what was recorded on a real one, or from a formula."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from math import exp
from pathlib import Path
from random import Random
from statistics import NormalDist, fmean

import msgspec

from models.errors import AnytimeError
from service.recorded import read
from service.scheduler import Costs, Kind
from service.simulation.bound import Work
from service.simulation.haste import Operations

WARM_UP = 8  # measurements of everything before the first request, as a worker makes
_QUANTILES = 200
_KIND: Kind = ("png", 1)


class Durations:
    """Durations of each operation, in seconds, one of which is drawn at random each time.

    Args:
        steps, decodes: by batch bucket, the same buckets in both; a batch is padded to the next one.
        repeats: of each further code upon the same decision, by batch bucket; where there are none, as steps.
        encodes: by format and scale, one sample each. One that is missing takes as long as the nearest of its format,
            or as the first of all.

    Raises:
        ValueError: an operation without durations, different buckets, or a duration that is not above 0.
    """

    def __init__(
        self,
        steps: Mapping[int, Sequence[float]],
        decodes: Mapping[int, Sequence[float]],
        encodes: Mapping[Kind, Sequence[float]],
        repeats: Mapping[int, Sequence[float]] | None = None,
    ) -> None:
        if not steps or not encodes or set(steps) != set(decodes) or min(steps) < 1:
            raise ValueError("steps and decodes need the same batch sizes, and there must be one encoding")
        used = {bucket: each for bucket, each in (repeats or {}).items() if each}
        for operation in (steps, decodes, encodes, used):
            if any(not recorded or min(recorded) <= 0 for recorded in operation.values()):
                raise ValueError("every operation needs durations above 0")
        self.buckets = tuple(sorted(steps))
        self._steps = [tuple(steps[bucket]) for bucket in self.buckets]
        self._repeats = [tuple(used.get(bucket, steps[bucket])) for bucket in self.buckets]
        self._decodes = [tuple(decodes[bucket]) for bucket in self.buckets]
        self._encodes = {kind: tuple(recorded) for kind, recorded in encodes.items()}
        self._bucket_of = [bisect_left(self.buckets, batch) for batch in range(self.buckets[-1] + 1)]

    def step(self, batch: int, chance: Random) -> float:
        """Seconds that one step of 1 .. the largest bucket takes this time."""
        return _draw(self._steps[self._bucket_of[batch]], chance)

    def repeat(self, batch: int, chance: Random) -> float:
        """Seconds that a further code upon the same decision takes this time."""
        return _draw(self._repeats[self._bucket_of[batch]], chance)

    def decode(self, batch: int, chance: Random) -> float:
        """Seconds that one decode of 1 .. the largest bucket takes this time."""
        return _draw(self._decodes[self._bucket_of[batch]], chance)

    def encode(self, kind: Kind, chance: Random) -> float:
        """Seconds that encoding one sample takes this time."""
        return _draw(self._recorded(kind), chance)

    def warm_up(self, slots: int, kinds: Iterable[Kind], chance: Random) -> Costs:
        """What a worker with so many slots knows before its first request."""
        costs = Costs(self._buckets_of(slots))
        for _ in range(WARM_UP):
            for bucket in costs.steps.buckets:
                costs.steps.observe(bucket, self.step(bucket, chance))
                costs.repeats.observe(bucket, self.repeat(bucket, chance))
                costs.decodes.observe(bucket, self.decode(bucket, chance))
            for kind in kinds:
                costs.encodes.observe(kind, self.encode(kind, chance))
        return costs

    def work(self, slots: int, kinds: Iterable[Kind]) -> Work:
        """What a device with so many slots must do at least per code and sample, on average, in the cheapest kind."""
        buckets = self._buckets_of(slots)
        # Every code as cheap as the cheaper of the first and a further one.
        codes = [min(pair, key=fmean) for pair in zip(self._steps, self._repeats, strict=True)][: len(buckets)]
        decodes = self._decodes[: len(buckets)]
        encodes = [self._recorded(kind) for kind in kinds]
        return Work(
            code_s=min(fmean(each) / bucket for each, bucket in zip(codes, buckets, strict=True)),
            sample_s=min(fmean(each) / bucket for each, bucket in zip(decodes, buckets, strict=True))
            + min(map(fmean, encodes)),
            step_s=min(min(map(min, operation)) for operation in (self._steps, self._repeats)),
            finish_s=min(map(min, decodes)) + min(map(min, encodes)),
        )

    def operations(self, slots: int, kinds: Iterable[Kind]) -> Operations:
        """What a device with so many slots can do, in these kinds."""
        buckets = self._buckets_of(slots)
        steps, repeats, decodes = (
            dict(zip(buckets, each, strict=False)) for each in (self._steps, self._repeats, self._decodes)
        )
        return Operations((steps, repeats), decodes, [self._recorded(kind) for kind in kinds])

    def _buckets_of(self, slots: int) -> Sequence[int]:
        """The batch sizes that a table of so many slots uses.

        Raises:
            AnytimeError: a full table would be larger than the largest one.
        """
        if slots > self.buckets[-1]:
            raise AnytimeError(f"costs are known for batches of up to {self.buckets[-1]}, not for {slots} slots")
        return self.buckets[: self._bucket_of[slots] + 1]

    def _recorded(self, kind: Kind) -> Sequence[float]:
        if kind not in self._encodes:
            file_format, scale = kind
            near = sorted((abs(each - scale), each) for other, each in self._encodes if other == file_format)
            same = self._encodes[file_format, near[0][1]] if near else next(iter(self._encodes.values()))
            self._encodes[kind] = same
        return self._encodes[kind]


def small_cpu_model(largest: int = 64, spread: float = 0.08) -> Durations:
    """A formula after the shipped model on one core of a small server: a line through what was measured at 1 and at 64.

    Args:
        largest: batch size, the last of the doubling buckets.
        spread: standard deviation of the logarithm of each duration.
    """
    buckets = [1 << power for power in range((largest - 1).bit_length())] + [largest]

    def line(first: float, further: float) -> dict[int, Sequence[float]]:
        return {bucket: _log_normal(first + (bucket - 1) * further, spread) for bucket in buckets}

    steps, decodes = line(1.2e-3, 15.8e-3 / 63), line(0.4e-3, 7.0e-3 / 63)
    return Durations(steps, decodes, {_KIND: _log_normal(0.12e-3, spread)})


def read_durations(path: Path) -> Durations:
    """Read durations that a worker has recorded, or that were written by hand in the same form.

    Raises:
        AnytimeError: the file cannot be read, or does not hold that.
    """
    try:
        recorded = read(path)
        encodes = {kind: _seconds(each) for kind, each in recorded.encodes.items()}
        by_batch = (recorded.steps_ms, recorded.decodes_ms, recorded.repeats_ms)
        steps, decodes, repeats = map(_all_seconds, by_batch)
        return Durations(steps, decodes, encodes, repeats)
    except OSError as error:
        raise AnytimeError(f"cannot read the costs in {path}: {error.strerror}") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise AnytimeError(f"the costs in {path} make no sense: {error}") from error


def _all_seconds(recorded: Mapping[int, Sequence[float]]) -> dict[int, Sequence[float]]:
    return {bucket: _seconds(each) for bucket, each in recorded.items()}


def _seconds(milliseconds: Sequence[float]) -> Sequence[float]:
    return [each / 1000 for each in milliseconds]


def _log_normal(mean: float, spread: float) -> Sequence[float]:
    """Evenly spaced quantiles of a log-normal distribution with this mean."""
    normal = NormalDist()
    points = [exp(spread * normal.inv_cdf((index + 0.5) / _QUANTILES)) for index in range(_QUANTILES)]
    return [mean * point / fmean(points) for point in points]


def _draw(recorded: Sequence[float], chance: Random) -> float:
    return recorded[int(chance.random() * len(recorded))]
