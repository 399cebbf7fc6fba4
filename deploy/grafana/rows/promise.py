"""Whether the service keeps its promise, at a glance, and which alerts there are."""

from __future__ import annotations

from dataclasses import replace

from deploy.grafana.panels import BAD, FAIR, GOOD, Level, Panel, Query, Row
from deploy.grafana.queries import INSTANCE, MODEL, POOR, RECORDED, or_none, rate, total

_LATE = "anytimelatebudgetburningfast"
_QUALITY = "anytimequalitybudgetburningfast"
_MISSED = total("anytime_deadline_missed_total")
_LOST = total("anytime_requests_lost_total")
_ANSWERED = total("anytime_deadline_slack_seconds_count")
_POOR = total("anytime_expected_quality_bucket", f"{MODEL}, {POOR}")
_SAMPLES = total("anytime_expected_quality_count")
_ALERTS = "max by (alertname, model, reason, worker) (ALERTS{{alertname=~'Anytime.+', alertstate='{}'}})"

_NUMBER = Panel("", "", "none", (), kind="stat", width=4, height=4, decimals=2)
_BURN = Panel(
    "",
    "1 uses up a month's budget in a month. A page comes if both 1h and 5m are above 14.4, or both 6h and 30m above 6.",
    "none",
    (),
    levels=(Level(0, GOOD), Level(1, FAIR), Level(6, BAD)),
    decimals=1,
)


def _burning(which: str) -> list[Query]:
    return [
        Query(f"job_model:anytime_{which}:burn_rate{window}{{{RECORDED}}}", f"{{{{model}}}}, over {window}")
        for window in ("5m", "30m", "1h", "6h")
    ]


ROW = Row(
    "Is the promise kept?",
    (
        replace(
            _NUMBER,
            title="Answered by the deadline",
            description="Of the accepted requests whose clients stayed, over the time shown. The objective is 99.9%.",
            unit="percentunit",
            queries=[Query(f"1 - ({_MISSED} + {_LOST}) / ({_ANSWERED} + {_LOST})", "on time")],
            levels=(Level(0, BAD), Level(0.995, FAIR), Level(0.999, GOOD)),
            runbook=_LATE,
        ),
        replace(
            _NUMBER,
            title="Samples above quality 0.8",
            description="Share of the delivered samples, over the time shown. The objective is 99%.",
            unit="percentunit",
            queries=[Query(f"1 - {_POOR} / {_SAMPLES}", "above 0.8")],
            levels=(Level(0, BAD), Level(0.9, FAIR), Level(0.99, GOOD)),
            runbook=_QUALITY,
        ),
        replace(
            _NUMBER,
            title="Mean quality",
            description="Mean of the delivered samples, over the time shown. 1 is what all codes give.",
            queries=[Query(f"{total('anytime_expected_quality_sum')} / {_SAMPLES}", "mean")],
            decimals=3,
            runbook=_QUALITY,
        ),
        replace(
            _NUMBER,
            title="Requests",
            description="Requests that ended per second, refused ones included.",
            unit="reqps",
            queries=[Query(rate("anytime_requests_total"), "all")],
            decimals=1,
        ),
        replace(
            _NUMBER,
            title="Refused",
            description="Refusals per request, over the time shown. Under load there should be fewer codes first.",
            unit="percentunit",
            queries=[
                Query(
                    f"{total('anytime_rejections_total', INSTANCE)} / {total('anytime_requests_total', INSTANCE)}",
                    "refused",
                )
            ],
            levels=(Level(0, GOOD), Level(0.01, FAIR), Level(0.05, BAD)),
            runbook="anytimerefusing",
        ),
        replace(
            _NUMBER,
            title="Workers that are not ready",
            description="0 is good. While all are gone, requests wait or are refused.",
            queries=[Query(f"count(anytime_worker_up{{{INSTANCE}}} == 0) or vector(0)", "workers")],
            levels=(Level(0, GOOD), Level(1, BAD)),
            decimals=0,
            runbook="anytimeworkerdown",
        ),
        replace(_BURN, title="How fast the budget of late answers goes", queries=_burning("late"), runbook=_LATE),
        replace(_BURN, title="How fast the budget of poor samples goes", queries=_burning("poor"), runbook=_QUALITY),
        Panel(
            "Alerts",
            "Which alerts were pending (orange) or firing (red), and when. Each has an entry in the runbook.",
            "none",
            [
                Query(
                    or_none(f"{_ALERTS.format('firing')} * 2 or {_ALERTS.format('pending')}", "alertname"),
                    "{{alertname}} {{model}} {{reason}} {{worker}}",
                )
            ],
            kind="state-timeline",
            levels=(Level(0, GOOD), Level(1, FAIR), Level(2, BAD)),
            runbook="alerts",
        ),
    ),
)
