"""Not of the paper: another autoencoder against its ordered one, with the same codes, prior and training time."""

from __future__ import annotations

from collections.abc import Callable

from training.report.collect import Finished, Runs
from training.report.drawing import Drawn, Picture, Table, differences, line_plot, numbers, over_seeds, series, table
from training.report.figures.distance import common_fractions, distances, fraction_axis, places
from training.report.statistics import paired_interval
from training.report.verdicts import Verdict, decide

VARIANTS = ("ordered", "modern", "unordered")
ENOUGH = 0.75  # of the area under the paper's error


def draw(runs: Runs) -> Drawn:
    """The figure: errors by code length, distances by fraction, and how long each autoencoder was trained."""
    lengths = range(runs.first("ordered").report.codes + 1)
    errors = [series(runs, variant, lengths, _errors) for variant in VARIANTS]
    fractions = common_fractions(runs, VARIANTS)
    far = [series(runs, variant, fractions, distances) for variant in VARIANTS]
    ticks, label = fraction_axis([runs.first(variant) for variant in VARIANTS], fractions)
    name = runs.first("ordered").report.distance.name
    error_plot = line_plot(
        errors, "Reconstruction error of test images", "n, codes", "squared error per image", scale="log"
    )
    far_plot = line_plot(far, "Distance of samples to real images", label, name, ticks=ticks)
    return Drawn(
        pictures=(
            Picture("errors", f"Squared error of an image by code length; {over_seeds(errors)}", error_plot),
            Picture("distances", f"{name}; {over_seeds(far)}", far_plot),
        ),
        tables=(
            _whole(runs),
            table("n", [str(n) for n in lengths], errors),
            table("fraction", places(fractions), far),
        ),
        verdicts=(_area(runs), _complete(runs), _nearer(runs, fractions)),
        numbers=numbers([*errors, *far]),
    )


def _errors(run: Finished) -> list[float]:
    return [estimate.value for estimate in run.report.reconstruction.model.errors]


def _area_of(run: Finished) -> float:
    """The sum of its errors from 1 to K codes."""
    return sum(_errors(run)[1:])


def _seconds(run: Finished) -> float | None:
    """What training the autoencoder took, validation left out; None if that was not measured."""
    found = 0.0
    for name, stage in (("autoencoder", run.recipe.stages.autoencoder), ("ordered", run.recipe.stages.ordered)):
        if stage is not None:
            speeds = [speed for speed in run.speeds.stages if speed.stage == name]
            samples = sum(speed.samples for speed in speeds)
            if not samples:
                return None
            each = sum(speed.seconds for speed in speeds) / samples
            found += stage.epochs * run.report.data.train_images * each
    return found


def _whole(runs: Runs) -> Table:
    """The area under each error; and how long it took to get there, if that was measured of all."""
    picks: dict[str, Callable[[Finished], float]] = {"area under the error, 1 to K codes": _area_of}
    if all(_seconds(run) for variant in VARIANTS for run in runs.variants[variant].values()):
        picks["seconds of training the autoencoder"] = lambda run: _seconds(run) or 0.0
    lines = [
        series(runs, variant, range(len(picks)), lambda run: [pick(run) for pick in picks.values()])
        for variant in VARIANTS
    ]
    return table("as a whole", list(picks), lines)


def _area(runs: Runs) -> Verdict:
    most = runs.values("ordered", lambda run: ENOUGH * _area_of(run))
    return decide(
        f"The area under the modern autoencoder's error is at most {ENOUGH:.0%} of the paper's",
        {"all lengths": paired_interval(most, runs.values("modern", _area_of))},
    )


def _complete(runs: Runs) -> Verdict:
    last = str(runs.first("ordered").report.codes)
    every = [str(n) for n in range(int(last) + 1)]
    gaps = differences(runs, "unordered", "modern", every, _errors)
    return decide("With all codes it reconstructs no worse than unordered codes", {f"n = {last}": gaps[last]})


def _nearer(runs: Runs, fractions: tuple[float, ...]) -> Verdict:
    return decide(
        "Its samples are nearer to real images than the paper's at every fraction of the codes",
        differences(runs, "ordered", "modern", places(fractions), distances),
    )
