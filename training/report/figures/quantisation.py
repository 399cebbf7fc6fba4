"""Fig. 2: with a quarter of the codes, spatial against channel-wise quantisation."""

from __future__ import annotations

from collections.abc import Callable

from training.evaluation.pictures import BY_FRACTION, RECONSTRUCTIONS
from training.evaluation.samples import codes_for
from training.report.collect import Finished, Runs
from training.report.drawing import Drawn, Picture, Table, evaluation_pictures
from training.report.figures.distance import distance_at
from training.report.statistics import Interval, mean_interval, paired_interval
from training.report.verdicts import decide, show

QUARTER = 0.25
VARIANTS = ("channel", "spatial")


def draw(runs: Runs) -> Drawn:
    """Pictures of the first seed, and what they are worth over all."""
    measures: dict[str, Callable[[Finished], float]] = {
        "error with a quarter of the codes": lambda run: _error_at(run, QUARTER),
        "error with all codes": lambda run: _error_at(run, 1.0),
        "distance with a quarter of the codes": lambda run: distance_at(run, QUARTER),
        "distance with all codes": lambda run: distance_at(run, 1.0),
    }
    values = {name: {variant: runs.values(variant, pick) for variant in VARIANTS} for name, pick in measures.items()}
    means = {
        name: {variant: mean_interval(list(seeds.values())) for variant, seeds in of.items()}
        for name, of in values.items()
    }
    rows = [("codes in all", *(str(runs.first(variant).report.codes) for variant in VARIANTS))]
    rows += [(name, *(show(of[variant]) for variant in VARIANTS)) for name, of in means.items()]

    def behind(measure: str) -> dict[str, Interval]:
        of = values[measure]
        return {measure: paired_interval(of["spatial"], of["channel"])}

    verdicts = (
        decide(
            "With a quarter of the codes channel-wise quantisation reconstructs better",
            behind("error with a quarter of the codes"),
        ),
        decide(
            "With a quarter of the codes samples of channel-wise codes are nearer to real images",
            behind("distance with a quarter of the codes"),
        ),
    )
    pictures: list[Picture] = []
    for variant in VARIANTS:
        pictures += evaluation_pictures(runs, variant, {RECONSTRUCTIONS: "reconstructions", BY_FRACTION: "samples"})
    return Drawn(
        pictures=tuple(pictures),
        tables=(Table(headings=("", *(runs.titles[variant] for variant in VARIANTS)), rows=tuple(rows)),),
        verdicts=verdicts,
        numbers={name: {variant: mean.model_dump() for variant, mean in of.items()} for name, of in means.items()},
    )


def _error_at(run: Finished, fraction: float) -> float:
    return run.report.reconstruction.model.errors[codes_for(fraction, run.report.codes)].value
