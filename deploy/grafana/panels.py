"""Panels and rows, and the JSON in which Grafana (11 or newer) reads them.

Its form: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Json: TypeAlias = Mapping[str, object]
Kind = Literal["timeseries", "stat", "heatmap", "state-timeline"]

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
GOOD, FAIR, BAD = "green", "orange", "red"
_HEIGHT = 8
_CALCULATIONS = ["lastNotNull", "mean", "max"]


@dataclass(frozen=True)
class Query:
    """A PromQL expression, and what its series are called: a text with `{{label}}` in it."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Level:
    """From this value on, in the panel's unit, a value is shown in this colour."""

    value: float
    color: str


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        description: how to read it, and what it looks like when something is wrong.
        unit: Grafana's id of the unit, as in its list of units.
        width, height: of the grid's 24 columns, and rows of 30 pixels.
        stacked: areas on top of each other, for parts of a whole.
        levels: colours of values, the first for all below the second; lines in a time series.
        colors: of series, by their names; any that are not named get one of the palette's.
        runbook: heading in docs/operations.md to go to.
    """

    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    kind: Kind = "timeseries"
    width: int = 8
    height: int = _HEIGHT
    stacked: bool = False
    levels: Sequence[Level] = ()
    colors: Mapping[str, str] = field(default_factory=dict)
    decimals: int | None = None
    minimum: float | None = 0
    maximum: float | None = None
    runbook: str = "the-dashboard"


@dataclass(frozen=True)
class Row:
    """Panels under a heading, from left to right and then below."""

    title: str
    panels: Sequence[Panel]


def layout(rows: Sequence[Row], docs: str) -> Iterator[Json]:
    """Every row and panel with its place and number.

    Args:
        docs: what the paths of runbooks are put behind.
    """
    number, top = 0, 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
        }
        top += 1
        left, height = 0, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                left, top, height = 0, top + height, 0
            number += 1
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            yield {"id": number, "gridPos": place, **_panel(panel, docs)}
            left, height = left + panel.width, max(height, panel.height)
        top += height


def runbook(docs: str, entry: str) -> Json:
    """A link to an entry of docs/operations.md."""
    return {
        "title": "Runbook",
        "type": "link",
        "icon": "doc",
        "url": f"{docs}docs/operations.md#{entry}",
        "tooltip": "What it means, and what to do",
        "tags": [],
        "asDropdown": False,
        "targetBlank": True,
        "includeVars": False,
        "keepTime": False,
    }


def _panel(panel: Panel, docs: str) -> Json:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "links": [runbook(docs, panel.runbook)],
        "targets": [_target(panel, query, index) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": [_colored(*each) for each in panel.colors.items()]},
        "options": _options(panel),
    }


def _colored(name: str, color: str) -> Json:
    value = {"mode": "fixed", "fixedColor": color}
    return {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "color", "value": value}]}


def _target(panel: Panel, query: Query, index: int) -> Json:
    return {
        "refId": chr(ord("A") + index),
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend,
        "format": "heatmap" if panel.kind == "heatmap" else "time_series",
        "range": panel.kind != "stat",
        "instant": panel.kind == "stat",
    }


def _defaults(panel: Panel) -> Json:
    levels = panel.levels or [Level(0, GOOD if panel.kind == "stat" else "blue")]
    steps = [{"color": each.color, "value": None if index == 0 else each.value} for index, each in enumerate(levels)]
    limits = {"min": panel.minimum, "max": panel.maximum, "decimals": panel.decimals}
    return {
        "unit": panel.unit,
        **{name: limit for name, limit in limits.items() if limit is not None},
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom": _custom(panel),
    }


def _custom(panel: Panel) -> Json:
    if panel.kind == "state-timeline":
        return {"fillOpacity": 70, "lineWidth": 0}
    if panel.kind != "timeseries":
        return {}
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 40 if panel.stacked else 5,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.levels else "off"},
    }


def _options(panel: Panel) -> Json:
    """What is particular to the kind of panel."""
    legend = {"showLegend": True, "displayMode": "list", "placement": "bottom"}
    match panel.kind:
        case "timeseries":
            table = {**legend, "displayMode": "table", "calcs": _CALCULATIONS}
            return {"legend": table, "tooltip": {"mode": "multi", "sort": "desc"}}
        case "stat":
            return {
                "colorMode": "background",
                "graphMode": "none",
                "justifyMode": "auto",
                "orientation": "auto",
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                "textMode": "value_and_name",
                "wideLayout": True,
            }
        case "heatmap":
            return {
                "calculate": False,
                "cellGap": 0,
                "color": {
                    "mode": "scheme",
                    "scheme": "Turbo",
                    "exponent": 0.5,
                    "fill": "blue",
                    "reverse": False,
                    "steps": 64,
                },
                "filterValues": {"le": 1e-9},
                "legend": {"show": True},
                "rowsFrame": {"layout": "auto"},
                "showValue": "never",
                "tooltip": {"mode": "single", "yHistogram": True, "showColorScale": True},
                "yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel.unit},
            }
        case "state-timeline":
            return {
                "alignValue": "left",
                "legend": {**legend, "calcs": []},
                "mergeValues": True,
                "rowHeight": 0.9,
                "showValue": "never",
                "tooltip": {"mode": "single", "sort": "none"},
            }
