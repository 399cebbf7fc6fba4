"""Every metric of the service, and the only place that defines one; `service.collectors` has what counts.

The API process owns the registry; workers send numbers (`messages.Stats`), which arrive here through the pool.
"""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple, get_args

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest

from models.bundle.reader import AnyManifest
from service import errors, messages
from service.collectors import Children, Family, Histogram, Phases, Tally
from service.outcomes import Loss, Outcome
from service.registry.registry import State

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_PLAIN_0_0_4
STATES: tuple[State, ...] = get_args(State)
UNKNOWN = "unknown"
"""Label value for what a client named and the server does not know, so that no client can add label values."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_STEP_SECONDS = (2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0)
_SLACK_SECONDS = (
    *(-10.0, -1.0, -0.5, -0.2, -0.1, -0.05, -0.02, -0.01, -0.005, -0.002, -0.001, 0.0),
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 10.0, 60.0),
)
_CODES = (1, 2, 4, 6, 8, 10, 12, 14, 16, 24, 32, 48, 64, 80, 100, 128, 192, 256, 384, 512)
_BATCHES = tuple(2**power for power in range(13))
_QUALITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
"""Finer above, where an ordered model soon is; deploy/prometheus/rules.yml counts samples above one of these."""

# A `_created` series beside every counter doubles the answer and is read by nobody in this text format.
_disable_created: Callable[[], None] = prometheus_client.disable_created_metrics
_disable_created()


def package_version() -> str:
    """The installed version, or "0" when run from a tree that was never installed."""
    try:
        return version("anytime")
    except PackageNotFoundError:
        return "0"


def batch_label(batch: int) -> str:
    """A batch size rounded up to a power of two, so that the label has few values."""
    return str(1 << max(batch - 1, 0).bit_length())


class _AnswerTallies(NamedTuple):
    """What an answer of one model is counted in, found by one look."""

    request: Tally
    slack: Tally
    queue: Tally
    codes: Tally
    quality: Tally
    phases: list[float]


class Metrics:
    """The metrics of one API process, on a registry of its own. Implements the pool's observer."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._by_model: list[tuple[Children, int]] = []
        self._define_requests()
        self._define_answers()
        self._define_encodes()
        self._define_workers()
        self._of_answers = cache(self._tallies_of_answers)
        ProcessCollector(registry=self.registry)

    def _define_requests(self) -> None:
        self._requests = self._counter("requests", "Generation requests by how they ended.", "model", "outcome")
        self._rejections = self._counter("rejections", "Requests refused, by problem type.", "reason")
        self._key_requests = self._counter(
            "key_requests", "Requests by key and whether it was let in.", "key", "result"
        )
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
        self._given_seconds = self._counter(
            "deadline_seconds", "Deadlines of the answers in `request_seconds`, from receipt on, added up.", "model"
        )
        self._missed = self._counter("deadline_missed", "Answers handed over after their deadline.", "model")
        self._lost = self._counter(
            "requests_lost", "Accepted requests that ended without an answer, though nobody took them back.", "model"
        )
        self._ready = Gauge("anytime_ready", "Whether requests are taken, as /readyz says.", registry=self.registry)
        self._pending = Gauge(
            "anytime_requests_pending", "Requests received that have not ended.", registry=self.registry
        )

    def _define_answers(self) -> None:
        self._queue_seconds = self._histogram(
            "queue_seconds", "Time that answered requests waited for a slot.", _SECONDS, "model"
        )
        self._phases = Phases("anytime_phase_seconds", "Where the time of answered requests went.")
        self.registry.register(self._phases)
        self._codes = self._histogram("codes_delivered", "Codes of each delivered sample.", _CODES, "model")
        self._quality = self._histogram(
            "expected_quality", "Expected quality (0 to 1) of each delivered sample.", _QUALITIES, "model"
        )

    def _define_encodes(self) -> None:
        self._encodes = self._counter("encode_requests", "Requests to encode by how they ended.", "model", "outcome")
        self._encodes_missed = self._counter(
            "encode_deadline_missed", "Codes handed over after their deadline.", "model"
        )
        self._encode_seconds = self._histogram(
            "encode_seconds", "Receipt of a request to encode to the hand-over of its last byte.", _SECONDS, "model"
        )
        self._encoder_up = Gauge("anytime_encoder_up", "Whether the encoder runs and is ready.", registry=self.registry)
        self._encoder_starts = Counter(
            "anytime_encoder_starts", "Times an encoder was started.", registry=self.registry
        )

    def _define_workers(self) -> None:
        self._running = self._gauge("requests_running", "Requests that hold slots, by worker.", "worker")
        self._waiting = self._gauge("requests_waiting", "Requests that wait for a slot, by worker.", "worker")
        self._worker_up = self._gauge("worker_up", "Whether the worker is ready.", "worker")
        self._restarts = self._counter("worker_restarts", "Times the worker was started again.", "worker")
        self._failures = self._counter(
            "worker_failures", "Times a process of the worker died, hung, or could not start.", "worker", "reason"
        )
        self._worker_cpu = self._counter("worker_cpu_seconds", "Processor time of the worker.", "worker")
        self._worker_memory = self._gauge(
            "worker_memory_peak_bytes", "Most memory that the worker's process has had since its start.", "worker"
        )
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
        self._largest_batch = self._gauge(
            "largest_batch", "Samples that one step or decode may have.", "worker", "model", "operation"
        )
        self._shortages = self._counter(
            "out_of_memory", "Batches for which a device had too little memory.", "worker", "model"
        )
        self._replacements = self._counter(
            "worker_replacements", "Workers started to take over from another, by what came of it.", "outcome"
        )
        self._info = Gauge(
            "anytime_model_info", "Always 1, for each model that answers.", ("model", "version"), registry=self.registry
        )
        self._bundles = self._gauge("bundles", "Bundles by what became of them.", "state")
        self._spans = self._counter("traced_requests", "Requests whose spans were to be exported.", "result")
        build = self._gauge("build_info", "Always 1; the version is the label.", "version")
        build(package_version()).set(1)

    def _counter(self, name: str, help_text: str, *labels: str) -> Callable[..., Counter]:
        return self._children(Counter(f"anytime_{name}", help_text, labels, registry=self.registry), labels)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Callable[..., Gauge]:
        return self._children(Gauge(f"anytime_{name}", help_text, labels, registry=self.registry), labels)

    def _histogram(self, name: str, help_text: str, buckets: tuple[float, ...], *labels: str) -> Callable[..., Tally]:
        histogram = Histogram(f"anytime_{name}", help_text, buckets, labels)
        self.registry.register(histogram)
        return self._children(histogram, labels)

    def _children(self, family: Family, labels: tuple[str, ...]) -> Callable[..., Any]:
        children = Children(family)
        if "model" in labels:
            self._by_model.append((children, labels.index("model")))
        return children.find

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format (`CONTENT_TYPE`)."""
        return generate_latest(self.registry)

    def models(self, manifests: Mapping[str, AnyManifest]) -> None:
        """These models answer from now on, by label; what was counted of others is forgotten.

        They, and every reason to refuse, are shown from the start, so that rates see the first increase.
        """
        known = {*manifests, UNKNOWN}
        for children, place in self._by_model:
            children.keep(place, known)
        self._phases.keep(known)
        self._of_answers.cache_clear()
        for name in known:
            for outcome in Outcome:
                self._requests(name, outcome)
                self._encodes(name, outcome)
        self._info.clear()
        for name, manifest in manifests.items():
            self._missed(name)
            self._given_seconds(name)
            self._encodes_missed(name)
            self._lost(name)
            self._of_answers(name)
            self._first_preview_seconds(name)
            self._info.labels(name, manifest.version).set(1)
        for reason in errors.slugs():
            self._rejections(reason)

    def bundles(self, states: Iterable[str]) -> None:
        """What became of each bundle."""
        counts = Counts(states)
        for state in STATES:
            self._bundles(state).set(counts[state])

    def front(self, ready: Callable[[], bool], pending: Callable[[], int]) -> None:
        """Ask the API process, whenever the metrics are read, whether it is ready and how many requests it has."""
        self._ready.set_function(ready)
        self._pending.set_function(pending)

    def http_response(self, route: str, status: int) -> None:
        """Count one HTTP response; `route` is a route's template, never a client's path."""
        self._responses(route, str(status)).inc()

    def ended(self, model: str, outcome: Outcome) -> None:
        """Count one generation request, at its end. `model` is a loaded model's name or UNKNOWN."""
        self._requests(model, outcome).inc()

    def rejected(self, reason: str) -> None:
        """Count one refusal; `reason` is a problem's slug."""
        self._rejections(reason).inc()

    def lost(self, model: str) -> None:
        """Count an accepted request that ended without an answer, though its client had not taken it back."""
        self._lost(model).inc()

    def keys(self, names: Iterable[str]) -> None:
        """Show the counters of keys that are good now from the start, at zero."""
        for name in names:
            self._key_requests(name, "admitted")

    def key_request(self, key: str, result: str) -> None:
        """Count one request with a key of ours; `result` is "admitted", or the outcome of a refusal."""
        self._key_requests(key, result).inc()

    def previewed(self, model: str, seconds: float) -> None:
        """Record how long a request waited for its first preview."""
        self._first_preview_seconds(model).observe(seconds)

    def answered(self, model: str, result: messages.Result, seconds: float, slack: float) -> None:
        """Record a delivered answer: `seconds` since its receipt, `slack` seconds before its deadline."""
        timing, of = result.timing, self._of_answers(model)
        of.request.observe(seconds)
        of.slack.observe(slack)
        self._given_seconds(model).inc(max(seconds + slack, 0.0))
        if slack < 0:
            self._missed(model).inc()
        of.queue.observe(timing.queue_ms / 1000)
        phases = of.phases
        phases[0] += timing.queue_ms
        phases[1] += timing.sample_ms
        phases[2] += timing.decode_ms
        phases[3] += timing.encode_ms
        phases[4] += max(seconds * 1000 - timing.total_ms, 0.0)
        for output in result.outputs:
            of.codes.observe(len(output.codes))
            of.quality.observe(output.expected_quality)

    def _tallies_of_answers(self, model: str) -> _AnswerTallies:
        return _AnswerTallies(
            self._request_seconds(model),
            self._slack_seconds(model),
            self._queue_seconds(model),
            self._codes(model),
            self._quality(model),
            self._phases.of(model),
        )

    def traced(self, result: str, requests: int) -> None:
        """What became of the spans of so many requests: `exported`, `failed` or `dropped`. From any thread."""
        self._spans(result).inc(requests)

    def encode_ended(self, model: str, outcome: Outcome) -> None:
        """Count one request to encode, at its end. `model` is a loaded model's name or UNKNOWN."""
        self._encodes(model, outcome).inc()

    def encoded(self, model: str, seconds: float, slack: float) -> None:
        """Record what was encoded: `seconds` since its receipt, `slack` seconds before its deadline."""
        self._encode_seconds(model).observe(seconds)
        if slack < 0:
            self._encodes_missed(model).inc()

    def encoder_up(self, up: bool) -> None:
        """The encoder became ready, or went away."""
        self._encoder_up.set(up)

    def encoder_started(self) -> None:
        """An encoder was started."""
        self._encoder_starts.inc()

    def worker_up(self, worker: int, up: bool) -> None:
        """A worker became ready, or went away."""
        label = str(worker)
        self._worker_up(label).set(up)
        self._restarts(label)
        for why in Loss:
            self._failures(label, why)
        if not up:
            self._running(label).set(0)
            self._waiting(label).set(0)

    def worker_restarted(self, worker: int) -> None:
        """A worker that had gone away was started again."""
        self._restarts(str(worker)).inc()

    def worker_failed(self, worker: int, why: Loss) -> None:
        """A worker's process has gone, or could not start."""
        self._failures(str(worker), why).inc()

    def worker_replaced(self, worker: int, done: bool) -> None:  # noqa: ARG002  each would add its label
        """A process was started to take over from a worker, and did, or was given up."""
        self._replacements("done" if done else "given_up").inc()

    def stats(self, worker: int, stats: messages.Stats, retiring: bool = False) -> None:
        """Take in the numbers that a worker gathered since its last message.

        Of one that is retiring they are only added up: what is so now is told by the one that has taken over.
        """
        label = str(worker)
        self._worker_cpu(label).inc(stats.cpu_s)
        if not retiring:
            self._running(label).set(stats.running)
            self._waiting(label).set(stats.waiting)
            self._worker_memory(label).set(stats.memory_bytes)
            for model, seconds in stats.reserve_s.items():
                self._reserve(label, model).set(seconds)
            for model, batches in stats.batches.items():
                self._largest_batch(label, model, "step").set(batches.step)
                self._largest_batch(label, model, "decode").set(batches.decode)
            for model, minimum in stats.minimums.items():
                self._minimum(label, model).set(minimum.alone.high)
        for model, batches in stats.batches.items():
            self._shortages(label, model).inc(batches.shortages)
        for model, steps in stats.steps.items():
            for step in steps:
                self._steps(model, batch_label(step.batch)).observe(step.seconds, step.times)
                self._batch(model).observe(step.batch, step.times)
