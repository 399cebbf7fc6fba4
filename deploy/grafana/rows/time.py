"""Time against the deadline, and where it goes."""

from __future__ import annotations

from deploy.grafana.panels import BAD, FAIR, GOOD, Level, Panel, Query, Row
from deploy.grafana.queries import buckets, quantiles, rate

_LATE = "anytimelatebudgetburningfast"
_SLACK = "anytime_deadline_slack_seconds"

ROW = Row(
    "Time against the deadline",
    (
        Panel(
            "Slack at the last byte",
            "Time left until the deadline when the answer had been written; below 0 is late. With more load it gathers "
            "just above 0, as it should: time turns into codes.",
            "s",
            buckets(_SLACK),
            kind="heatmap",
            minimum=None,
            runbook=_LATE,
        ),
        Panel(
            "Slack of the most urgent",
            "So much time, or less, was left to 0.1%, 1%, 10% and half of the answers. 0.1% below 0 breaks the "
            "objective.",
            "s",
            quantiles(_SLACK, (0.001, 0.01, 0.1, 0.5), "had at most"),
            minimum=None,
            levels=(Level(-60, BAD), Level(0, GOOD)),
            runbook=_LATE,
        ),
        Panel(
            "Where the time goes",
            "Mean per answered request. front: outside the worker; if it grows, the API process is short of processor "
            "time. queue: waiting for a slot. sample: drawing codes, in turn with others. decode, encode: making the "
            "picture or clip.",
            "s",
            [
                Query(
                    f"{rate('anytime_phase_seconds_total', by='phase')}"
                    f" / on () group_left () {rate('anytime_request_seconds_count')}",
                    "{{phase}}",
                )
            ],
            stacked=True,
            colors={"front": BAD, "queue": FAIR, "sample": GOOD, "decode": "blue", "encode": "purple"},
            runbook="api-process-short-of-processor-time",
        ),
        Panel(
            "Time per request",
            "Receipt to last byte, of those that were answered.",
            "s",
            quantiles("anytime_request_seconds", (0.5, 0.9, 0.99), "take at most"),
            runbook="overload",
        ),
        Panel(
            "Wait for a slot",
            "From receipt to slot. Much of it means that all slots are taken.",
            "s",
            quantiles("anytime_queue_seconds", (0.5, 0.9, 0.99), "wait at most"),
            runbook="overload",
        ),
        Panel(
            "First preview",
            "From receipt to the first preview, of requests that wanted any.",
            "s",
            quantiles("anytime_first_preview_seconds", (0.5, 0.99), "see it within"),
            runbook="the-dashboard",
        ),
    ),
)
