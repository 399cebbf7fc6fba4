"""Fig. 5: samples by fraction of their codes, ordered and unordered, and how many of them are recognised."""

from __future__ import annotations

from itertools import pairwise

from training.evaluation.pictures import BY_FRACTION
from training.report.collect import Finished, Runs
from training.report.drawing import (
    Drawn,
    Picture,
    differences,
    evaluation_pictures,
    line_plot,
    numbers,
    series,
    table,
)
from training.report.figures.distance import common_fractions, fraction_axis, places
from training.report.statistics import mean_interval
from training.report.verdicts import decide

VARIANTS = ("ordered", "unordered")


def draw(runs: Runs) -> Drawn:
    """The sheets of the first seed, and over all seeds the share of samples that the extractor recognises."""
    fractions = common_fractions(runs, VARIANTS)
    lines = [series(runs, variant, fractions, _recognised) for variant in VARIANTS]
    at = places(fractions)
    rises = {
        f"{before} to {after}": mean_interval(
            [_recognised(run)[index + 1] - _recognised(run)[index] for run in runs.variants["ordered"].values()]
        )
        for index, (before, after) in enumerate(pairwise(at))
    }
    verdicts = (
        decide(
            "Samples of ordered codes are recognised more often than those of unordered ones at every fraction",
            differences(runs, "ordered", "unordered", at, _recognised),
        ),
        decide("Samples of ordered codes are recognised more often with each further fraction", rises),
    )
    ticks, label = fraction_axis(runs.all(), fractions)
    plot = line_plot(
        lines,
        "Samples recognised as their label",
        label,
        "share recognised",
        ticks=ticks,
        from_zero=True,
    )
    sheets = [
        sheet for variant in VARIANTS for sheet in evaluation_pictures(runs, variant, {BY_FRACTION: "the same samples"})
    ]
    caption = "Share of samples that the extractor takes for their label; mean over seeds and 95% band"
    return Drawn(
        pictures=(*sheets, Picture("recognised", caption, plot)),
        tables=(table("fraction", at, lines),),
        verdicts=verdicts,
        numbers=numbers(lines),
    )


def _recognised(run: Finished) -> list[float]:
    return [facts.recognition.value for facts in run.report.samples.fractions]
