"""What a figure is made of: series over seeds, tables of them, and line plots with bands. Drawn without pyplot."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from models.config import Frozen
from training.evaluation.plots import DPI, SIZE
from training.report.collect import AnyBaseline, AnyRun, RunsOf
from training.report.compression import compressed
from training.report.end_labels import label_ends
from training.report.statistics import Interval, mean_interval, paired_interval
from training.report.verdicts import ONE_SEED, Verdict, show, span

COLOURS = ("#1f5fa8", "#c8553d", "#3f8f5f", "#8a5aa8", "#b8860b", "#4f9fb0", "#7a5548", "#555555")
MARKERS = "osD^vPX*"
BAND = 0.18  # opacity
HEADROOM = 0.06  # above the highest point, of its height

Pick = Callable[[AnyRun], Sequence[float]]


class Series(Frozen):
    """One line of a plot: a mean and its interval at every x.

    Attributes:
        baseline: whether it is there for comparison only, and drawn dashed.
    """

    name: str
    x: tuple[float, ...]
    points: tuple[Interval, ...]
    baseline: bool = False


class Table(Frozen):
    """Cells as text."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG and what it shows."""

    name: str
    caption: str
    png: bytes


@dataclass(frozen=True, slots=True)
class Sound:
    """A short clip.

    Attributes:
        of: what it is a clip of; clips of the same are laid out in one row.
        name: which of them it is.
        content: the file.
        media_type: of the file.
    """

    of: str
    name: str
    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure as it goes into the page.

    Attributes:
        sounds: go into the HTML page alone.
        numbers: what plots and tables show, and what else was measured, as JSON.
        notes: sentences that belong to it, such as what differs from the paper.
    """

    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]
    verdicts: tuple[Verdict, ...]
    numbers: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sounds: tuple[Sound, ...] = ()


def series(
    runs: RunsOf[AnyRun],
    variant: str,
    x: Sequence[float],
    pick: Pick[AnyRun],
    *,
    name: str = "",
    baseline: bool = False,
) -> Series:
    """Means over a variant's seeds of what `pick` takes from each run, one number per x."""
    columns = zip(*(pick(run) for run in runs.variants[variant].values()), strict=True)
    points = tuple(mean_interval(column) for column in columns)
    return Series(name=name or runs.titles[variant], x=tuple(x), points=points, baseline=baseline)


def differences(
    runs: RunsOf[AnyRun], first: str, second: str, places: Sequence[str], pick: Pick[AnyRun]
) -> dict[str, Interval]:
    """First - second at each place, paired by seed."""
    return paired(runs.variants[first], runs.variants[second], places, pick, pick)


def paired(
    first: Mapping[int, AnyRun],
    second: Mapping[int, AnyRun],
    places: Sequence[str],
    one: Pick[AnyRun],
    other: Pick[AnyRun],
) -> dict[str, Interval]:
    """one(first) - other(second) at each place, paired by seed."""
    of_first = {seed: one(run) for seed, run in first.items()}
    of_second = {seed: other(run) for seed, run in second.items()}
    return {
        place: paired_interval(
            {seed: values[at] for seed, values in of_first.items()},
            {seed: values[at] for seed, values in of_second.items()},
        )
        for at, place in enumerate(places)
    }


def table(heading: str, places: Sequence[str], lines: Sequence[Series]) -> Table:
    """One row per x, one column per series."""
    rows = [(place, *(show(line.points[at]) for line in lines)) for at, place in enumerate(places)]
    return Table(headings=(heading, *(line.name for line in lines)), rows=tuple(rows))


def claims_table(runs: RunsOf[AnyBaseline], variant: str) -> Table:
    """What each run of a baseline has found by its test images alone, which is no word on other seeds."""
    seeds = runs.variants[variant]
    words = {(True, True): "holds", (True, False): "holds, not beyond noise"}
    rows = [
        (claims[0].statement, *(words.get((claim.holds, claim.beyond_noise), "does not hold") for claim in claims))
        for claims in zip(*(run.report.claims for run in seeds.values()), strict=True)
    ]
    headings = ("by the test images of one run", *(f"seed {seed}" for seed in seeds))
    return Table(headings=headings, rows=tuple(rows))


def over_seeds(lines: Sequence[Series]) -> str:
    """What the points and bands of a plot of these lines are, for its caption."""
    counts = [point.count for line in lines for point in line.points]
    if max(counts) == 1:
        return ONE_SEED
    bands = "where there is more than one" if min(counts) == 1 else ""
    return f"mean over {span(counts)} seeds and 95% band {bands}".rstrip()


def numbers(lines: Sequence[Series]) -> dict[str, Any]:
    """Series as JSON."""
    return {"series": [line.model_dump(mode="json") for line in lines]}


def evaluation_pictures(runs: RunsOf[AnyRun], variant: str, captions: Mapping[str, str]) -> list[Picture]:
    """Pictures that the evaluation of a variant's first seed has left, by file name, with what each shows."""
    run = runs.first(variant)
    return [
        Picture(
            f"{variant}-{name.removesuffix('.png')}",
            f"{runs.titles[variant]}, seed {run.recipe.seed}: {caption}",
            compressed((run.pictures / name).read_bytes()),
        )
        for name, caption in captions.items()
    ]


def line_plot(
    lines: Sequence[Series],
    title: str,
    xlabel: str,
    ylabel: str,
    *,
    scale: Literal["linear", "symlog", "log"] = "linear",
    scale_x: Literal["linear", "log"] = "linear",
    ticks: Sequence[tuple[float, str]] = (),
    from_zero: bool = False,
    markers: bool = True,
) -> bytes:
    """Means as lines with their intervals as bands, a PNG. Lines are named at their ends if there is room."""
    canvas = Canvas(figsize=SIZE, dpi=DPI, layout="constrained")
    axes = canvas.subplots()
    style(axes, title, xlabel, ylabel)
    drawn = []
    for index, line in enumerate(lines):
        colour = COLOURS[index % len(COLOURS)]
        how = ("--" if line.baseline else "-") + (MARKERS[index % len(MARKERS)] if markers else "")
        means = [point.value for point in line.points]
        drawn += axes.plot(line.x, means, how, color=colour, markersize=4, label=line.name)
        if all(point.low is not None for point in line.points):
            low, high = ([getattr(point, end) for point in line.points] for end in ("low", "high"))
            axes.fill_between(line.x, low, high, color=colour, alpha=BAND, linewidth=0)
    if scale != "linear":
        axes.set_yscale(scale, **({"linthresh": 0.1} if scale == "symlog" else {}))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    if scale == "log":
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    if from_zero and axes.dataLim.ymax > 0:
        axes.set_ylim(0, (1 + HEADROOM) * axes.dataLim.ymax)
    axes.set_xscale(scale_x)
    if ticks:
        axes.set_xticks([], minor=True)
        axes.set_xticks([at for at, _ in ticks], [label for _, label in ticks])
    elif all(float(at).is_integer() for line in lines for at in line.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.autoscale_view()
    if not label_ends(axes, drawn):
        canvas.legend(loc="outside lower center", ncols=min(3, len(lines)), frameon=False, fontsize="small")
    return png(canvas)


def style(axes: Axes, title: str, xlabel: str, ylabel: str) -> None:
    """The look that all plots of a report have."""
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)


def png(canvas: Canvas) -> bytes:
    """A drawn canvas as a PNG."""
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png")
    return compressed(buffer.getvalue())
