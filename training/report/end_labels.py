"""Names written at the right ends of lines, in their colours, instead of a legend to look them up in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

GAP = 0.058  # of the axes' height, between the middles of two names
ASIDE = 1.015  # of the axes' width
MOST_LINES = 8
LONGEST_NAME = 28


def label_ends(axes: Axes, lines: Sequence[Line2D]) -> bool:
    """Write each line's label beside its last point, names that would overlap moved apart.

    To be called once scales and limits are final. Does nothing, and says so, if there are too many lines or too long
    names.
    """
    names = [str(line.get_label()) for line in lines]
    if len(lines) > MOST_LINES or max(map(len, names)) > LONGEST_NAME:
        return False
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [float(to_axes.transform(np.asarray(line.get_xydata())[-1])[1]) for line in lines]
    for line, name, place in zip(lines, names, apart(ends, GAP), strict=True):
        axes.text(ASIDE, place, name, transform=axes.transAxes, va="center", fontsize="small", color=line.get_color())
    return True


def apart(places: Sequence[float], gap: float) -> list[float]:
    """Places moved as little as neighbours need to be `gap` apart, in the same order; equal ones in the order given."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    # Neighbours that are too near form a group, which is laid out evenly around its middle, until no two groups touch.
    groups = [[index] for index in order]
    middles = [places[index] for index in order]
    while True:
        touching = next(
            (
                at
                for at, (below, above) in enumerate(pairwise(middles))
                if above - below < gap * (len(groups[at]) + len(groups[at + 1])) / 2 - 1e-9
            ),
            None,
        )
        if touching is None:
            break
        one, other = groups[touching], groups.pop(touching + 1)
        weight = len(one) / (len(one) + len(other))
        middles[touching] = weight * middles[touching] + (1 - weight) * middles.pop(touching + 1)
        one += other
    found = [0.0] * len(places)
    for group, middle in zip(groups, middles, strict=True):
        for rank, index in enumerate(group):
            found[index] = middle + gap * (rank - (len(group) - 1) / 2)
    return found
