"""What becomes of requests."""

from __future__ import annotations

from deploy.grafana.panels import BAD, FAIR, GOOD, Panel, Query, Row
from deploy.grafana.queries import INSTANCE, MODEL, or_none, rate

ROW = Row(
    "What becomes of requests",
    (
        Panel(
            "Endings",
            "Every request, once. complete: all codes; deadline: as many as there was time for; shed: fewer, to make "
            "room for others. Under load `complete` turns into `deadline`, then `shed`; only then is anybody refused.",
            "reqps",
            [Query(or_none(rate("anytime_requests_total", by="outcome"), "outcome"), "{{outcome}}")],
            stacked=True,
            colors={
                "complete": GOOD,
                "deadline": "blue",
                "shed": "yellow",
                "infeasible": FAIR,
                "overloaded": FAIR,
                "unavailable": BAD,
                "failed": BAD,
                "invalid": "purple",
            },
            runbook="overload",
        ),
        Panel(
            "Refusals by reason",
            "overloaded, deadline-infeasible: more is asked for than there is. worker-lost, not-ready: workers are "
            "gone. request-isolated: two of them died with it. model-not-found, invalid-field and others: clients ask "
            "for what there is not.",
            "reqps",
            [Query(or_none(rate("anytime_rejections_total", INSTANCE, "reason"), "reason"), "{{reason}}")],
            stacked=True,
            colors={
                "deadline-infeasible": "yellow",
                "overloaded": FAIR,
                "worker-lost": BAD,
                "request-isolated": BAD,
                "internal": BAD,
                "model-not-found": "purple",
            },
            runbook="anytimerefusing",
        ),
        Panel(
            "Late, lost, shed",
            "late: answered after the deadline. lost: accepted, and ended without an answer. These two use up the "
            "budget. shed: answered early, to make room.",
            "reqps",
            [
                Query(rate("anytime_deadline_missed_total"), "late"),
                Query(rate("anytime_requests_lost_total"), "lost"),
                Query(rate("anytime_requests_total", f'{MODEL}, outcome="shed"'), "shed"),
            ],
            colors={"late": FAIR, "lost": BAD, "shed": "blue"},
            runbook="anytimelatebudgetburningfast",
        ),
    ),
)
