"""Distance by time, a line for each model."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from training.compare.measure import Compared
from training.evaluation.plots import render

COLOURS = ("#1f5fa8", "#c8553d", "#2f8f5b", "#8457a8", "#555555")


def plot(found: Sequence[Compared], distance: str) -> bytes:
    """A PNG; what lies between two pictures is the earlier one, as whoever has no more time would get it."""

    def draw(axes: Axes) -> None:
        longest = max(point.ms for each in found for point in each.points)
        for index, each in enumerate(found):
            colour = COLOURS[index % len(COLOURS)]
            times = [point.ms for point in each.points]
            values = [point.distance.value for point in each.points]
            axes.step([*times, longest], [*values, values[-1]], where="post", color=colour, label=each.model)
            spread = [(point.distance.value - point.distance.low) for point in each.points]
            axes.errorbar(times, values, spread, fmt="o", color=colour, markersize=3, linewidth=1)
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("milliseconds that a sample has, one CPU thread")
        axes.set_ylabel(distance)

    return render(draw)
