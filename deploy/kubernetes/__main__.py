"""Writes Prometheus' rules as the Prometheus Operator wants them: `python -m deploy.kubernetes`."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

PROMETHEUS = Path(__file__).parents[1] / "prometheus"
FILE = Path(__file__).parent / "components" / "monitoring" / "prometheus-rule.yaml"
_RULES = ("rules.yml", "alerts.yml")
_HEAD = """\
# Written by `make kubernetes` of deploy/prometheus/rules.yml and alerts.yml: change those.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: anytime
  labels:
    app.kubernetes.io/name: anytime
spec:
  groups:
"""


def text() -> str:
    """The rules as they are kept in a file: their own words, as groups of one resource."""
    groups = [(PROMETHEUS / name).read_text().partition("\ngroups:\n")[2] for name in _RULES]
    return _HEAD + "".join(indent(each, "  ") for each in groups)


if __name__ == "__main__":
    FILE.write_text(text())
