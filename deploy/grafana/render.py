"""Draws the dashboard from a Prometheus, laid out as in Grafana, where there is no Grafana to take a picture of.

    python -m deploy.grafana.render --url http://localhost:9090 --minutes 60 --out dashboard.png

It reads the same file as Grafana does and sends the same queries; only the drawing is matplotlib's.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from deploy.grafana.__main__ import FILE
from deploy.grafana.panels import COLUMNS
from deploy.grafana.queries import filled
from deploy.grafana.units import scale_of, shown

_UNIT_INCHES = (0.75, 0.36)  # of one column, of one row of the grid
_POINTS = 240
_MOST_LEGENDS = 8
_COLORS = {"green": "#3f9b56", "orange": "#e8873a", "red": "#cf3b43", "blue": "#3a78c3"} | {
    "yellow": "#d9b310",
    "purple": "#8a5fb0",
}


@dataclass(frozen=True)
class Span:
    """What is drawn: seconds since 1970, and over how long rates are taken."""

    start: float
    end: float
    rate_s: float

    @property
    def step(self) -> float:
        """Seconds between two points."""
        return max((self.end - self.start) / _POINTS, 0.25)


@dataclass(frozen=True)
class Mark:
    """A part of the time that has a name."""

    name: str
    start: float
    end: float


@dataclass(frozen=True)
class _Line:
    name: str
    times: list[float]
    values: list[float]


def ask(url: str, target: dict[str, Any], span: Span) -> list[_Line]:
    """The series of one query, named by its legend; times are seconds since the start."""
    length, rate = (f"{1000 * seconds:.0f}ms" for seconds in (span.end - span.start, span.rate_s))
    parameters: dict[str, object] = {"query": filled(target["expr"], length, rate)}
    if target["instant"]:
        path, parameters["time"] = "query", span.end
    else:
        path = "query_range"
        parameters |= {"start": span.start, "end": span.end, "step": span.step}
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}") as answer:  # noqa: S310
        found = json.load(answer)["data"]["result"]
    lines = []
    for series in found:
        pairs = [(float(at) - span.start, float(value)) for at, value in series.get("values", [series.get("value")])]
        lines.append(_Line(_named(target["legendFormat"], series["metric"]), *map(list, zip(*pairs, strict=True))))
    return lines


def render(url: str, span: Span, out: Path, marks: Sequence[Mark] = (), titles: Sequence[str] = ()) -> None:
    """Draw the dashboard into a file.

    Args:
        url: of Prometheus.
        marks: parts of the time to be shaded and named.
        titles: of the panels to draw, three beside each other; all of them, in their places, if none are named.
    """
    board = json.loads(FILE.read_text())
    panels = [panel for panel in board["panels"] if not titles or panel["title"] in titles]
    if titles:
        panels.sort(key=lambda panel: titles.index(panel["title"]))
        for index, panel in enumerate(panels):
            panel["gridPos"] = {"x": index % 3 * 8, "y": index // 3 * 8, "w": 8, "h": 8}
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    with mpl.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        figure = plt.figure(figsize=(COLUMNS * _UNIT_INCHES[0], height * _UNIT_INCHES[1]), dpi=90)
        for panel in panels:
            _draw(figure, panel, height, url, span, marks)
        figure.savefig(out)
        plt.close(figure)


def _draw(figure: Figure, panel: dict[str, Any], height: int, url: str, span: Span, marks: Sequence[Mark]) -> None:
    place = panel["gridPos"]
    left, bottom = place["x"] / COLUMNS, 1 - (place["y"] + place["h"]) / height
    wide, high = place["w"] / COLUMNS, place["h"] / height
    if panel["type"] == "row":
        figure.text(left + 0.006, bottom + high / 2, panel["title"], fontsize=12, fontweight="bold", va="center")
        return
    title, below = 0.9 / height, (2.6 if panel["type"] == "timeseries" else 1.0) / height
    figure.text(left + 0.008, bottom + high - title * 0.8, panel["title"], fontsize=9, fontweight="bold")
    lines = [line for target in panel["targets"] for line in ask(url, target, span)]
    if panel["type"] == "stat":
        _stat(figure, panel, lines, (left, bottom, wide, high))
        return
    narrow = 0.035
    if panel["type"] == "state-timeline":
        narrow = min(0.01 + 0.0033 * max((len(line.name) for line in lines), default=0), wide / 2)
    box = (left + narrow, bottom + below, wide - narrow - 0.01, high - below - title * 1.2)
    axes = figure.add_axes(box)
    axes.set_xlim(0, span.end - span.start)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} s")
    {"timeseries": _lines, "heatmap": _heatmap, "state-timeline": _timeline}[panel["type"]](axes, panel, lines)
    for mark in marks:
        axes.axvspan(mark.start - span.start, mark.end - span.start, color="0.5", alpha=0.13, lw=0)
        middle = (mark.start + mark.end) / 2 - span.start
        axes.text(middle, 1.0, mark.name, transform=axes.get_xaxis_transform(), ha="center", va="bottom", color="0.35")


def _stat(figure: Figure, panel: dict[str, Any], lines: list[_Line], box: tuple[float, float, float, float]) -> None:
    left, bottom, wide, high = box
    axes = figure.add_axes((left + 0.008, bottom + 0.08 * high, wide - 0.016, 0.68 * high))
    axes.set_axis_off()
    defaults = panel["fieldConfig"]["defaults"]
    value = lines[0].values[-1] if lines else float("nan")
    axes.add_patch(Rectangle((0, 0), 1, 1, color=_level_color(defaults, value)))
    text = shown(value, defaults["unit"], defaults.get("decimals"))
    axes.text(0.5, 0.5, text, ha="center", va="center", color="white", fontsize=17, fontweight="bold")


def _lines(axes: Axes, panel: dict[str, Any], lines: list[_Line]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    names, colors = [line.name for line in lines], _colors(panel, lines)
    if defaults["custom"]["stacking"]["mode"] == "normal" and lines:
        times = sorted({at for line in lines for at in line.times})
        found = [dict(zip(line.times, line.values, strict=True)) for line in lines]
        stacks = [[_number(values.get(at, 0.0)) for at in times] for values in found]
        axes.stackplot(times, stacks, labels=names, colors=colors, alpha=0.75, lw=0)
    else:
        for line, color in zip(lines, colors, strict=True):
            axes.plot(line.times, line.values, lw=1, label=line.name, color=color)
    low, high = axes.get_ylim()
    axes.set_ylim(defaults.get("min", low), defaults.get("max", high))
    if defaults["custom"]["thresholdsStyle"]["mode"] != "off":
        for step in defaults["thresholds"]["steps"][1:]:
            axes.axhline(step["value"], color=_COLORS[step["color"]], lw=0.8, ls="--")
    axes.set_yticks(_ticks(axes.get_ylim(), defaults["unit"]))
    axes.yaxis.set_major_formatter(lambda value, _: shown(value, defaults["unit"], None))
    axes.grid(axis="y", color="0.92")
    # Those that show most come first, as in a legend that is sorted.
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(lines)), key=lambda index: -max(map(_number, lines[index].values)))[:_MOST_LEGENDS]
    axes.legend(
        [handles[index] for index in order],
        [labels[index] for index in order],
        loc="upper left",
        bbox_to_anchor=(-0.06, -0.13),
        ncol=2,
        fontsize=6.5,
        frameon=False,
        borderaxespad=0,
        labelspacing=0.2,
        columnspacing=1,
    )


def _colors(panel: dict[str, Any], lines: list[_Line]) -> list[str]:
    """The colour of each line: the panel's own, or the next one of the palette."""
    fixed = {
        each["matcher"]["options"]: each["properties"][0]["value"]["fixedColor"]
        for each in panel["fieldConfig"]["overrides"]
    }
    palette = itertools.cycle(mpl.color_sequences["tab10"])
    return [_COLORS[fixed[line.name]] if line.name in fixed else mpl.colors.to_hex(next(palette)) for line in lines]


def _ticks(limits: tuple[float, float], unit: str) -> list[float]:
    """A few round values between the limits, in the unit in which they will be written."""
    low, high = limits
    scale = scale_of(max(abs(low), abs(high)), unit)
    values = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low / scale, high / scale)
    return [value * scale for value in values if low <= value * scale <= high * 1.0001]


def _heatmap(axes: Axes, panel: dict[str, Any], lines: list[_Line]) -> None:
    ordered = sorted(lines, key=lambda line: float(line.name))
    times = sorted({at for line in ordered for at in line.times})
    rows, below = [], [0.0] * len(times)
    for line in ordered:
        found = dict(zip(line.times, line.values, strict=True))
        total = [_number(found.get(at, 0.0)) for at in times]
        rows.append([max(here - under, 0.0) for here, under in zip(total, below, strict=True)])
        below = total
    used = [index for index, row in enumerate(rows) if max(row) > 0]
    first, last = (min(used), max(used) + 1) if used else (0, 1)
    counts = [[value or float("nan") for value in row] for row in rows[first:last]]
    axes.pcolormesh(times, range(len(counts)), counts, cmap="turbo", norm=PowerNorm(0.5, vmin=0), shading="nearest")
    unit = panel["options"]["yAxis"]["unit"]
    axes.set_yticks(range(len(counts)), [f"≤ {_bound(line.name, unit)}" for line in ordered[first:last]], fontsize=6.5)


def _timeline(axes: Axes, panel: dict[str, Any], lines: list[_Line]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    for row, line in enumerate(reversed(lines)):
        width = line.times[1] - line.times[0] if len(line.times) > 1 else 1.0
        colors = [_level_color(defaults, value) for value in line.values]
        axes.barh([row] * len(line.times), width * 1.05, left=line.times, height=0.85, color=colors, lw=0)
    axes.set_yticks(range(len(lines)), [line.name.strip() for line in reversed(lines)], fontsize=6.5)


def _level_color(defaults: dict[str, Any], value: float) -> str:
    first, *others = defaults["thresholds"]["steps"]
    reached = [step["color"] for step in others if value >= step["value"]]
    return _COLORS[reached[-1] if reached else first["color"]]


def _named(legend: str, labels: dict[str, str]) -> str:
    for label, value in labels.items():
        legend = legend.replace(f"{{{{{label}}}}}", value)
    return legend if "{{" not in legend else legend.split("{{")[0].strip()


def _bound(name: str, unit: str) -> str:
    return "∞" if name == "+Inf" else shown(float(name), unit, None)


def _number(value: float) -> float:
    return value if value == value else 0.0  # noqa: PLR0124


def main() -> None:
    """Draw what a Prometheus knows of the last minutes."""
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana.render", description=__doc__)
    parser.add_argument("--url", required=True, help="of Prometheus")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate-seconds", type=float, default=60, help="over how long rates are taken")
    parser.add_argument("--panel", action="append", default=[], metavar="TITLE", help="draw this one; repeatable")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    now = time.time()
    span = Span(now - 60 * options.minutes, now, options.rate_seconds)
    render(options.url, span, options.out, titles=options.panel)


if __name__ == "__main__":
    main()
