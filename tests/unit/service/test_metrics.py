"""Metrics: names, labels and values as promised, and what Prometheus' own checker says of them."""

from __future__ import annotations

import subprocess

import prometheus_client
import pytest
from fake_pool import manifest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from service import messages
from service.api.problems import NotReady
from service.collectors import Histogram
from service.errors import Overloaded, ServiceError, WorkerLost
from service.metrics import UNKNOWN, Metrics, batch_label
from service.outcomes import Loss, Outcome
from service.scheduler.costs import Duration, exactly

PROMISED = {
    "anytime_requests_total",
    "anytime_requests_running",
    "anytime_requests_waiting",
    "anytime_queue_seconds_count",
    "anytime_first_preview_seconds_count",
    "anytime_request_seconds_count",
    "anytime_deadline_slack_seconds_count",
    "anytime_deadline_missed_total",
    "anytime_deadline_seconds_total",
    "anytime_requests_lost_total",
    "anytime_requests_pending",
    "anytime_ready",
    "anytime_phase_seconds_total",
    "anytime_codes_delivered_count",
    "anytime_expected_quality_count",
    "anytime_rejections_total",
    "anytime_decode_reserve_seconds",
    "anytime_step_seconds_count",
    "anytime_batch_size_count",
    "anytime_worker_up",
    "anytime_worker_restarts_total",
    "anytime_worker_failures_total",
    "anytime_largest_batch",
    "anytime_out_of_memory_total",
    "anytime_worker_cpu_seconds_total",
    "anytime_worker_memory_peak_bytes",
    "anytime_build_info",
}


def values(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample, as a scraper reads it."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
def used() -> Metrics:
    """Metrics in which everything has happened once."""
    metrics = Metrics()
    metrics.models({"tiny": manifest("tiny")})
    metrics.front(lambda: True, lambda: 3)
    metrics.http_response("/livez", 200)
    metrics.ended("tiny", Outcome.DEADLINE)
    metrics.rejected("overloaded")
    metrics.lost("tiny")
    metrics.previewed("tiny", 0.01)
    outputs = [messages.Output(0, b"", [1, 2, 3], "deadline", 0.75), messages.Output(1, b"", [1], "deadline", 0.5)]
    metrics.answered(
        "tiny", messages.Result("t", outputs, messages.Timing(2, 30, 4, 1, 37)), seconds=0.06, slack=-0.003
    )
    metrics.worker_up(0, True)
    metrics.worker_restarted(0)
    metrics.worker_failed(0, Loss.HUNG)
    batches = {"tiny": messages.Batches(step=32, decode=16, shortages=2)}
    steps = {"tiny": [messages.StepStat(3, 0.002), messages.StepStat(64, 0.02)]}
    minimum = messages.Minimum(
        Duration(0.001, 0.002, 0.003), exactly(0.0), 0.0, (0.0, 0.0), [messages.EncodeCost("png", 1, exactly(0.0005))]
    )
    for cpu_s in (0.25, 0.5):
        metrics.stats(0, messages.Stats(2, 5, steps, {"tiny": 0.004}, {"tiny": minimum}, cpu_s, 1 << 20, batches))
        steps = {}
    return metrics


def test_every_promised_metric_is_there(used: Metrics) -> None:
    assert {name for name, _ in values(used)} >= PROMISED


@pytest.mark.parametrize("fresh", [True, False])
def test_promtool_has_no_complaint(used: Metrics, fresh: bool) -> None:
    exposition = Metrics().exposition() if fresh else used.exposition()
    checked = subprocess.run(["promtool", "check", "metrics"], input=exposition, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_values(used: Metrics) -> None:
    found = values(used)
    tiny = ("model", "tiny")
    worker = ("worker", "0")
    assert found["anytime_requests_total", (tiny, ("outcome", "deadline"))] == 1
    assert found["anytime_requests_total", (tiny, ("outcome", "complete"))] == 0
    assert found["anytime_requests_total", (("model", UNKNOWN), ("outcome", "invalid"))] == 0
    assert found["anytime_deadline_missed_total", (tiny,)] == 1
    assert found["anytime_deadline_slack_seconds_bucket", (("le", "-0.002"), tiny)] == 1
    assert found["anytime_deadline_slack_seconds_bucket", (("le", "-0.005"), tiny)] == 0
    assert found["anytime_codes_delivered_sum", (tiny,)] == 4
    assert found["anytime_expected_quality_sum", (tiny,)] == 1.25
    assert found["anytime_queue_seconds_sum", (tiny,)] == pytest.approx(0.002)
    phases = ("queue", "sample", "decode", "encode", "front")
    spent = [found["anytime_phase_seconds_total", (tiny, ("phase", phase))] for phase in phases]
    assert spent == pytest.approx([0.002, 0.03, 0.004, 0.001, 0.023])
    assert found["anytime_requests_lost_total", (tiny,)] == 1
    assert found["anytime_requests_running", (worker,)] == 2
    assert found["anytime_requests_waiting", (worker,)] == 5
    assert found["anytime_decode_reserve_seconds", (tiny, worker)] == 0.004
    assert found["anytime_minimum_deadline_seconds", (tiny, worker)] == 0.0035
    assert found["anytime_step_seconds_count", (("batch", "4"), tiny)] == 1
    assert found["anytime_step_seconds_count", (("batch", "64"), tiny)] == 1
    assert found["anytime_batch_size_sum", (tiny,)] == 67
    assert found["anytime_worker_restarts_total", (worker,)] == 1
    assert found["anytime_worker_failures_total", (("reason", "hung"), worker)] == 1
    assert found["anytime_worker_failures_total", (("reason", "died"), worker)] == 0
    assert found["anytime_largest_batch", (tiny, ("operation", "step"), worker)] == 32
    assert found["anytime_largest_batch", (tiny, ("operation", "decode"), worker)] == 16
    assert found["anytime_out_of_memory_total", (tiny, worker)] == 4
    assert found["anytime_worker_cpu_seconds_total", (worker,)] == 0.75
    assert found["anytime_worker_memory_peak_bytes", (worker,)] == 1 << 20


def test_what_is_asked_for_whenever_the_metrics_are_read() -> None:
    metrics, ready, pending = Metrics(), [False], [0]
    metrics.front(lambda: ready[0], lambda: pending[0])
    assert [values(metrics)[f"anytime_{name}", ()] for name in ("ready", "requests_pending")] == [0, 0]
    ready[0], pending[0] = True, 7
    assert [values(metrics)[f"anytime_{name}", ()] for name in ("ready", "requests_pending")] == [1, 7]


def test_rates_see_the_first_increase() -> None:
    """What may be counted of a loaded model, and every reason to refuse, is there before it happens."""
    metrics = Metrics()
    metrics.models({"tiny": manifest("tiny")})
    before = values(metrics)
    metrics.ended("tiny", Outcome.SHED)
    metrics.lost("tiny")
    metrics.previewed("tiny", 0.01)
    result = messages.Result("t", [messages.Output(0, b"", [1], "shed", 0.5)], messages.Timing(1, 1, 1, 1, 4))
    metrics.answered("tiny", result, seconds=0.1, slack=-0.1)
    for reason in (Overloaded.slug, WorkerLost.slug, NotReady.slug, ServiceError.slug):
        metrics.rejected(reason)
    assert values(metrics).keys() == before.keys()


def test_a_lost_worker_holds_nothing(used: Metrics) -> None:
    used.worker_up(0, False)
    found = values(used)
    for name in ("worker_up", "requests_running", "requests_waiting"):
        assert found[f"anytime_{name}", (("worker", "0"),)] == 0


def test_registries_are_separate(used: Metrics) -> None:
    other = Metrics()
    assert ("anytime_deadline_missed_total", (("model", "tiny"),)) not in values(other)


@pytest.mark.parametrize(
    ("batch", "label"), [(1, "1"), (2, "2"), (3, "4"), (4, "4"), (5, "8"), (64, "64"), (65, "128")]
)
def test_batch_labels_are_powers_of_two(batch: int, label: str) -> None:
    assert batch_label(batch) == label


@given(
    st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=1, max_size=4, unique=True),
    st.lists(st.tuples(st.sampled_from("ab"), st.floats(-1e6, 1e6), st.integers(1, 3))),
)
def test_histograms_read_as_those_of_the_library(bounds: list[float], observed: list[tuple[str, float, int]]) -> None:
    bounds.sort()
    ours, theirs = prometheus_client.CollectorRegistry(), prometheus_client.CollectorRegistry()
    histogram = Histogram("x", "About x.", tuple(bounds), ("who",))
    ours.register(histogram)
    library = prometheus_client.Histogram("x", "About x.", ["who"], buckets=bounds, registry=theirs)
    # On a bound, too, where one bucket must be chosen.
    for who, value, times in [*observed, ("a", bounds[0], 1), ("b", bounds[-1], 2)]:
        histogram.labels(who).observe(value, times)
        for _ in range(times):
            library.labels(who).observe(value)

    found, expected = ([sample for family in each.collect() for sample in family.samples] for each in (ours, theirs))
    assert [(sample.name, sample.labels) for sample in found] == [(sample.name, sample.labels) for sample in expected]
    assert [sample.value for sample in found] == pytest.approx([sample.value for sample in expected], abs=1e-3)
