"""Fig. 9b: an ordered model cut to n codes against unordered models that were trained with n codes."""

from __future__ import annotations

from functools import partial

from training.report.collect import Finished, Runs
from training.report.drawing import Drawn, Picture, Series, line_plot, numbers, over_seeds, table
from training.report.figures.distance import distance_at
from training.report.statistics import mean_interval, paired_interval
from training.report.verdicts import decide


def draw(runs: Runs) -> Drawn:
    """The figure, at those lengths for which there is a tailored model and at which the ordered one was measured."""
    lengths = {facts.codes: facts.fraction for facts in runs.first("ordered").report.samples.fractions}
    tailored = {
        runs.first(variant).report.codes: variant
        for variant in runs.variants
        if runs.first(variant).recipe.stages.ordered is None and runs.first(variant).report.codes in lengths
    }
    codes = sorted(tailored)
    cut = {n: runs.values("ordered", partial(distance_at, fraction=lengths[n])) for n in codes}
    own = {n: runs.values(tailored[n], _complete) for n in codes}
    lines = [
        Series(name=name, x=tuple(codes), points=tuple(mean_interval(list(of[n].values())) for n in codes))
        for name, of in ((runs.titles["ordered"], cut), ("tailored", own))
    ]
    verdicts = []
    if codes[1:]:
        better = {f"{n} codes": paired_interval(own[n], cut[n]) for n in codes[1:]}
        verdicts.append(
            decide(f"From {codes[1]} codes on the ordered model gives better samples than tailored ones", better)
        )
    if codes:
        shortest = {f"{codes[0]} codes": paired_interval(cut[codes[0]], own[codes[0]])}
        verdicts.append(decide(f"With {codes[0]} codes the tailored model gives better samples", shortest))
    name = runs.first("ordered").report.distance.name
    plot = line_plot(lines, "Cut short against tailored", "codes", name)
    return Drawn(
        pictures=(Picture("tailored", f"{name}; {over_seeds(lines)}", plot),),
        tables=(table("codes", [str(n) for n in codes], lines),),
        verdicts=tuple(verdicts),
        numbers=numbers(lines),
    )


def _complete(run: Finished) -> float:
    return distance_at(run, 1.0)
