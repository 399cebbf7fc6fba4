"""What a simulation showed, as a picture. Drawn without pyplot, so that no display and no global state is needed."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from models.errors import AnytimeError
from service.simulation.policies import POLICIES
from service.simulation.tally import Cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = (9.0, 4.2)  # inches
_DPI = 120
_STYLES = dict(zip(POLICIES, (("#1f5fa8", "o-"), ("#c8553d", "s--"), ("#d99a2b", "^--"), ("#777777", "v:"),
                              ("#4d8f5c", "D-.")), strict=True))  # fmt: skip


def require_matplotlib() -> None:
    """Say before a long run, rather than after it, that there can be no plot.

    Raises:
        AnytimeError: naming the missing package and the command that installs it.
    """
    if find_spec("matplotlib") is None:
        raise AnytimeError("a plot needs matplotlib: pip install 'anytime[train]'")


def draw(cells: Sequence[Cell]) -> bytes:
    """Share of the bound, and of requests answered in time, over the load, one line per policy.

    Returns:
        A PNG file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    _lines(left, cells, "quality in time, share of the clairvoyant bound", lambda cell: cell.bound_share)
    _lines(right, cells, "requests answered in time, share of those sent", lambda cell: cell.on_time / cell.sent)
    handles, names = left.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=5, frameon=False, fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _lines(axes: Axes, cells: Sequence[Cell], title: str, value: Callable[[Cell], float]) -> None:
    names = list(dict.fromkeys(_name(cell.load) for cell in cells))
    for policy in dict.fromkeys(cell.policy for cell in cells):
        own = [cell for cell in cells if cell.policy == policy]
        color, style = _STYLES[policy]
        axes.plot([names.index(_name(cell.load)) for cell in own], list(map(value, own)), style, color=color,
                  label=policy)  # fmt: skip
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel("load, in capacities")
    axes.set_ylim(0, 1.02)
    axes.set_title(title, fontsize="medium")
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _name(load: float | None) -> str:
    return "as recorded" if load is None else f"{load:g}"
