"""The dashboard for whoever is on call: what is promised, what becomes of requests, then why."""

from __future__ import annotations

from deploy.grafana.panels import DATASOURCE, Json, layout, runbook
from deploy.grafana.queries import INSTANCE
from deploy.grafana.rows import device, processes, promise, quality, requests, time

ROWS = (promise.ROW, requests.ROW, time.ROW, quality.ROW, device.ROW, processes.ROW)

_RESTARTED = (
    f"changes(process_start_time_seconds{{{INSTANCE}}}[1m]) > 0"
    f" or increase(anytime_worker_restarts_total{{{INSTANCE}}}[1m]) > 0"
)


def dashboard(docs: str) -> Json:
    """The whole dashboard, as Grafana reads it.

    Args:
        docs: what the paths of runbooks are put behind.
    """
    return {
        "uid": "anytime",
        "title": "Anytime",
        "description": "Whether requests are answered in time, how well, and if not, why. Read from the top.",
        "tags": ["anytime"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,  # a crosshair over all panels
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [runbook(docs, "alerts")],
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                    "refresh": 1,
                },
                _variable("model", "Model", "label_values(anytime_requests_total, model)"),
                _variable("instance", "Instance", "label_values(anytime_build_info, instance)"),
            ]
        },
        "annotations": {"list": [_annotation("Restarts", "red", _RESTARTED, "Restart of {{instance}} {{worker}}")]},
        "panels": list(layout(ROWS, docs)),
    }


def _variable(name: str, label: str, query: str) -> Json:
    """A choice of any number of a label's values, at first all of them."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,  # whenever the time shown changes
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _annotation(name: str, color: str, expr: str, title: str) -> Json:
    return {
        "name": name,
        "enable": True,
        "iconColor": color,
        "datasource": DATASOURCE,
        "target": {"refId": "Anno", "expr": expr, "interval": "10s"},
        "titleFormat": title,
    }
