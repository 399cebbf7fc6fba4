"""What the time bought."""

from __future__ import annotations

from deploy.grafana.panels import BAD, GOOD, Level, Panel, Query, Row
from deploy.grafana.queries import buckets, mean, quantile, whole

_CODES = "anytime_codes_delivered"
_QUALITY = "anytime_expected_quality"
_RUNBOOK = "anytimequalitybudgetburningfast"

ROW = Row(
    "What the time bought",
    (
        Panel(
            "Codes of each sample",
            "How many codes samples were delivered with.",
            "none",
            buckets(_CODES),
            kind="heatmap",
            runbook=_RUNBOOK,
        ),
        Panel(
            "Codes",
            "Mean, and what nine in ten exceed. They fall with load and with shorter deadlines; without either, the "
            "model or the device has changed.",
            "none",
            [
                Query(mean(_CODES, "model"), "{{model}}, mean"),
                Query(whole(quantile(0.1, _CODES)), "nine in ten have at least"),
            ],
            decimals=1,
            runbook=_RUNBOOK,
        ),
        Panel(
            "Expected quality",
            "By the model's own curve: 1 is all codes. The dashed line is what the objective counts.",
            "none",
            [
                Query(mean(_QUALITY, "model"), "{{model}}, mean"),
                Query(quantile(0.1, _QUALITY), "nine in ten have more than"),
                Query(quantile(0.01, _QUALITY), "99 in 100 have more than"),
            ],
            levels=(Level(0, BAD), Level(0.8, GOOD)),
            maximum=1,
            decimals=2,
            runbook=_RUNBOOK,
        ),
    ),
)
