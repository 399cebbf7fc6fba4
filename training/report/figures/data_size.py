"""Fig. 9a: distance of samples from all codes against the number of training images, ordered and unordered."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from training.report.collect import Finished, Runs
from training.report.drawing import Drawn, Picture, Series, line_plot, numbers, over_seeds, table
from training.report.figures.distance import distance_at
from training.report.statistics import Interval, mean_interval, paired_interval
from training.report.verdicts import decide

BySeed = Mapping[int, float]


def draw(runs: Runs) -> Drawn:
    """The figure. Which runs are ordered, and how many images they had, is read from the runs."""
    ordered, unordered = _by_size(runs, ordered=True), _by_size(runs, ordered=False)
    sizes = sorted(ordered.keys() & unordered.keys())
    lines = [_line("ordered", ordered, sizes), _line("unordered", unordered, sizes)]
    gains = {size: _difference(unordered[size], ordered[size]) for size in sizes}
    verdicts = [
        decide(
            "With all codes samples of ordered codes are nearer to real images",
            {f"{size:,} images": _interval(gains[size]) for size in sizes},
        )
    ]
    growth = {
        f"{few:,} against {many:,} images": paired_interval(gains[few], gains[many])
        for few, many in pairwise(sizes)
        if gains[few].keys() & gains[many].keys()
    }
    if growth:
        verdicts.append(decide("The gain of ordered codes grows as images get fewer", growth))
    name = runs.all()[0].report.distance.name
    ticks = [(size, f"{size:,}") for size in sizes]
    plot = line_plot(lines, "Distance by size of the training set", "training images", name, scale_x="log", ticks=ticks)
    gain = Series(name="unordered less ordered", x=tuple(sizes), points=tuple(_interval(gains[size]) for size in sizes))
    return Drawn(
        pictures=(Picture("data-size", f"{name}, all codes; {over_seeds(lines)}", plot),),
        tables=(table("training images", [label for _, label in ticks], [*lines, gain]),),
        verdicts=tuple(verdicts),
        numbers=numbers([*lines, gain]),
    )


def _by_size(runs: Runs, *, ordered: bool) -> dict[int, dict[int, float]]:
    """Distances by number of training images, then seed."""
    found: dict[int, dict[int, float]] = {}
    for seeds in runs.variants.values():
        for seed, run in seeds.items():
            if _is_ordered(run) == ordered:
                found.setdefault(run.report.data.train_images, {})[seed] = distance_at(run, 1.0)
    return found


def _is_ordered(run: Finished) -> bool:
    return run.recipe.stages.ordered is not None


def _difference(first: BySeed, second: BySeed) -> dict[int, float]:
    return {seed: first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())}


def _interval(values: BySeed) -> Interval:
    return mean_interval(list(values.values()))


def _line(name: str, values: Mapping[int, BySeed], sizes: list[int]) -> Series:
    return Series(name=name, x=tuple(sizes), points=tuple(_interval(values[size]) for size in sizes))
