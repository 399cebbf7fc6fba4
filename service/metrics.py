"""Every metric of the service, and the only place that defines one.

The API process owns the registry; workers send numbers (`messages.Stats`), which arrive here through the pool.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from math import inf

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from service import messages
from service.outcomes import Outcome

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_PLAIN_0_0_4
UNKNOWN = "unknown"
"""Label value for what a client named and the server does not know, so that no client can add label values."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_STEP_SECONDS = (2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0)
_SLACK_SECONDS = (
    *(-10.0, -1.0, -0.1, -0.05, -0.02, -0.01, -0.005, -0.002, -0.001, 0.0),
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0),
)
_CODES = (1, 2, 4, 6, 8, 10, 12, 14, 16, 24, 32, 48, 64, 80, 100, 128, 192, 256, 384, 512)
_BATCHES = tuple(2**power for power in range(13))
_TENTHS = tuple(tenth / 10 for tenth in range(1, 11))

# A `_created` series beside every counter doubles the answer and is read by nobody in this text format.
_disable_created: Callable[[], None] = prometheus_client.disable_created_metrics
_disable_created()
_bound_name: Callable[[float], str] = floatToGoString


def package_version() -> str:
    """The installed version, or "0" when run from a tree that was never installed."""
    try:
        return version("anytime")
    except PackageNotFoundError:
        return "0"


def batch_label(batch: int) -> str:
    """A batch size rounded up to a power of two, so that the label has few values."""
    return str(1 << max(batch - 1, 0).bit_length())


class Tally:
    """Counts values by the bucket that they fall into.

    The library's own takes a lock twice and looks at one bucket after another. Here one thread counts, six values for
    every answer and two for every step.

    Args:
        bounds: of the buckets from above, ascending; the last is infinite.
    """

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * len(bounds)
        self._sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, so many times."""
        self._counts[bisect_left(self._bounds, value)] += times
        self._sum += value * times

    def add_to(self, family: Metric, labels: dict[str, str]) -> None:
        """Show what was counted, as the library shows it: no sum where values may be negative."""
        total = 0
        for bound, count in zip(self._bounds, self._counts, strict=True):
            total += count
            family.add_sample(f"{family.name}_bucket", {**labels, "le": _bound_name(bound)}, total)
        family.add_sample(f"{family.name}_count", labels, total)
        if self._bounds[0] >= 0:
            family.add_sample(f"{family.name}_sum", labels, self._sum)


class Histogram(Collector):
    """A family of tallies, one for each combination of its labels' values that was asked for."""

    def __init__(self, name: str, help_text: str, bounds: tuple[float, ...], labels: tuple[str, ...]) -> None:
        self._about = (name, help_text, labels)
        self._bounds = (*bounds, inf)
        self._tallies: dict[tuple[str, ...], Tally] = {}

    def labels(self, *values: str) -> Tally:
        """The tally for these values."""
        return self._tallies.setdefault(values, Tally(self._bounds))

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        name, help_text, labels = self._about
        family = Metric(name, help_text, "histogram")
        for values, tally in self._tallies.items():
            tally.add_to(family, dict(zip(labels, values, strict=True)))
        yield family


class Metrics:
    """The metrics of one API process, on a registry of its own. Implements the pool's observer."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._define_requests()
        self._define_answers()
        self._define_workers()
        ProcessCollector(registry=self.registry)

    def _define_requests(self) -> None:
        self._requests = self._counter("requests", "Generation requests by how they ended.", "model", "outcome")
        self._rejections = self._counter("rejections", "Generation requests refused, by problem type.", "reason")
        self._responses = self._counter("http_responses", "HTTP responses by route and status.", "route", "status")
        self._request_seconds = self._histogram(
            "request_seconds", "Receipt of a request to the hand-over of its last byte.", _SECONDS, "model"
        )
        self._first_preview_seconds = self._histogram(
            "first_preview_seconds", "Receipt of a request to the hand-over of its first preview.", _SECONDS, "model"
        )
        self._slack_seconds = self._histogram(
            "deadline_slack_seconds",
            "Time left until the deadline when the last byte was handed over; negative is late.",
            _SLACK_SECONDS,
            "model",
        )
        self._missed = self._counter("deadline_missed", "Answers handed over after their deadline.", "model")

    def _define_answers(self) -> None:
        self._queue_seconds = self._histogram(
            "queue_seconds", "Time that answered requests waited for a slot.", _SECONDS, "model"
        )
        self._codes = self._histogram("codes_delivered", "Codes of each delivered sample.", _CODES, "model")
        self._quality = self._histogram(
            "expected_quality", "Expected quality (0 to 1) of each delivered sample.", _TENTHS, "model"
        )

    def _define_workers(self) -> None:
        self._running = self._gauge("requests_running", "Requests that hold slots, by worker.", "worker")
        self._waiting = self._gauge("requests_waiting", "Requests that wait for a slot, by worker.", "worker")
        self._worker_up = self._gauge("worker_up", "Whether the worker is ready.", "worker")
        self._restarts = self._counter("worker_restarts", "Times the worker was started again.", "worker")
        self._reserve = self._gauge(
            "decode_reserve_seconds", "Time kept back before a deadline to decode, encode and send.", "worker", "model"
        )
        self._minimum = self._gauge(
            "minimum_deadline_seconds", "Time that one code, decoded and encoded, takes.", "worker", "model"
        )
        self._steps = self._histogram(
            "step_seconds",
            "One step of the sampling loop, by batch size rounded up to a power of two.",
            _STEP_SECONDS,
            "model",
            "batch",
        )
        self._batch = self._histogram("batch_size", "Slots that advanced together in a step.", _BATCHES, "model")
        build = self._gauge("build_info", "Always 1; the version is the label.", "version")
        build(package_version()).set(1)

    # Each gives what finds a child by its labels' values. They are few, and `labels` takes a lock at each look.

    def _counter(self, name: str, help_text: str, *labels: str) -> Callable[..., Counter]:
        return cache(Counter(f"anytime_{name}", help_text, labels, registry=self.registry).labels)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Callable[..., Gauge]:
        return cache(Gauge(f"anytime_{name}", help_text, labels, registry=self.registry).labels)

    def _histogram(self, name: str, help_text: str, buckets: tuple[float, ...], *labels: str) -> Callable[..., Tally]:
        histogram = Histogram(f"anytime_{name}", help_text, buckets, labels)
        self.registry.register(histogram)
        return cache(histogram.labels)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format (`CONTENT_TYPE`)."""
        return generate_latest(self.registry)

    def models(self, names: list[str]) -> None:
        """Show the loaded models' counters from the start, at zero, so that rates see their first increase."""
        for name in [*names, UNKNOWN]:
            for outcome in Outcome:
                self._requests(name, outcome)
        for name in names:
            self._missed(name)

    def http_response(self, route: str, status: int) -> None:
        """Count one HTTP response; `route` is a route's template, never a client's path."""
        self._responses(route, str(status)).inc()

    def ended(self, model: str, outcome: Outcome) -> None:
        """Count one generation request, at its end. `model` is a loaded model's name or UNKNOWN."""
        self._requests(model, outcome).inc()

    def rejected(self, reason: str) -> None:
        """Count one refusal; `reason` is a problem's slug."""
        self._rejections(reason).inc()

    def previewed(self, model: str, seconds: float) -> None:
        """Record how long a request waited for its first preview."""
        self._first_preview_seconds(model).observe(seconds)

    def answered(self, model: str, result: messages.Result, seconds: float, slack: float) -> None:
        """Record a delivered answer: `seconds` since its receipt, `slack` seconds before its deadline."""
        self._request_seconds(model).observe(seconds)
        self._slack_seconds(model).observe(slack)
        if slack < 0:
            self._missed(model).inc()
        self._queue_seconds(model).observe(result.timing.queue_ms / 1000)
        for output in result.outputs:
            self._codes(model).observe(len(output.codes))
            self._quality(model).observe(output.expected_quality)

    def worker_up(self, worker: int, up: bool) -> None:
        """A worker became ready, or went away."""
        label = str(worker)
        self._worker_up(label).set(up)
        self._restarts(label)
        if not up:
            self._running(label).set(0)
            self._waiting(label).set(0)

    def worker_restarted(self, worker: int) -> None:
        """A worker that had gone away was started again."""
        self._restarts(str(worker)).inc()

    def stats(self, worker: int, stats: messages.Stats) -> None:
        """Take in the numbers that a worker gathered since its last message."""
        label = str(worker)
        self._running(label).set(stats.running)
        self._waiting(label).set(stats.waiting)
        for model, seconds in stats.reserve_s.items():
            self._reserve(label, model).set(seconds)
        for model, minimum in stats.minimums.items():
            self._minimum(label, model).set(minimum.alone.high)
        for model, steps in stats.steps.items():
            for step in steps:
                self._steps(model, batch_label(step.batch)).observe(step.seconds, step.times)
                self._batch(model).observe(step.batch, step.times)
