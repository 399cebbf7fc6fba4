"""Fig. 8a: three kinds of prior over the same codes."""

from __future__ import annotations

from training.report.collect import Runs
from training.report.drawing import Drawn, differences
from training.report.figures.distance import common_fractions, distances, draw_distances, places
from training.report.statistics import Interval
from training.report.verdicts import Verdict, decide

SEQUENCES = ("transformer", "lstm")
VARIANTS = (*SEQUENCES, "pixelcnn")


def draw(runs: Runs) -> Drawn:
    """The figure; "short" is the lowest fraction that was measured."""
    at = places(common_fractions(runs, VARIANTS))
    behind = {kind: differences(runs, "pixelcnn", kind, at, distances) for kind in SEQUENCES}
    longer = {f"{place}, {runs.titles[kind]}": behind[kind][place] for kind in SEQUENCES for place in at[1:]}
    return draw_distances(runs, VARIANTS, (*_longer(at, longer), _short(runs, at)))


def _longer(at: list[str], behind: dict[str, Interval]) -> tuple[Verdict, ...]:
    if not behind:
        return ()
    return (decide(f"From {at[1]} of the codes on Transformer and LSTM give better samples than the PixelCNN", behind),)


def _short(runs: Runs, at: list[str]) -> Verdict:
    ahead = {
        f"{at[0]}, {runs.titles[kind]}": differences(runs, kind, "pixelcnn", at, distances)[at[0]] for kind in SEQUENCES
    }
    return decide(f"At {at[0]} of the codes the PixelCNN gives the best samples", ahead)
