"""What deploy/ says of Prometheus and Grafana, as tests read it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from server_process import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "anytime.json"
RUNBOOK = ROOT / "docs" / "operations.md"

_NAME = re.compile(r"(?<![\w\"'=~|])(?:anytime|process|job_model|job_reason|job_namespace)[_:][\w:]+")
_COMPARISON = re.compile(r"(==|>=|<=|>|<)\s+(?!bool)")


@dataclass(frozen=True)
class Rule:
    """One rule: `name` of the alert or of what is recorded."""

    name: str
    expr: str
    raw: dict[str, Any]


def rules(kind: str) -> list[Rule]:
    """Every rule of a kind, `alert` or `record`."""
    return [
        Rule(rule[kind], rule["expr"], rule)
        for file in ("rules.yml", "alerts.yml")
        for group in yaml.safe_load((PROMETHEUS / file).read_text())["groups"]
        for rule in group["rules"]
        if kind in rule
    ]


def dashboard() -> dict[str, Any]:
    board: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return board


def panels() -> list[dict[str, Any]]:
    """All but the headings of rows."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> list[tuple[str, str]]:
    """Every query of the dashboard, with the title of its panel, or the name of its annotation."""
    shown = [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]
    annotations = dashboard()["annotations"]["list"]
    return shown + [(annotation["name"], annotation["target"]["expr"]) for annotation in annotations]


def unconditional(expr: str) -> str:
    """The same with every comparison as 0 or 1, so that it has a value whether or not it is true."""
    return _COMPARISON.sub(r"\1 bool ", expr)


def metric_names(expr: str) -> set[str]:
    """The metrics that a query reads, but for those that Prometheus makes itself."""
    return set(_NAME.findall(expr))


def anchors(path: Path = RUNBOOK) -> set[str]:
    """What can be linked to in a document: its headings, as usual hosts write them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
