"""Which runs of a study are not finished, in words."""

from __future__ import annotations

from collections.abc import Mapping

from training.report.collect import Runs
from training.report.needs import NEEDED, OPEN
from training.study.options import Study


def missing_runs(study: Study, runs: Runs) -> str:
    """How many of a study's runs are finished and which are not; empty if all are."""
    lacking: dict[tuple[int, ...], list[str]] = {}
    for variant in study.variants:
        seeds = tuple(seed for seed in study.seeds if seed not in runs.variants.get(variant, {}))
        if seeds:
            lacking.setdefault(seeds, []).append(variant)
    if not lacking:
        return ""
    planned = len(study.variants) * len(study.seeds)
    absent = sum(len(seeds) * len(variants) for seeds, variants in lacking.items())
    return f"{planned - absent} of {planned} finished, without {'; '.join(_named(lacking))}"


def _named(lacking: Mapping[tuple[int, ...], list[str]]) -> list[str]:
    return [
        f"{', '.join(variants)} (seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))})"
        for seeds, variants in lacking.items()
    ]


def why_not_drawn(figure: str, runs: Runs) -> str:
    """Why a figure cannot be drawn of these runs; empty if it can."""
    absent = [name for name in NEEDED[figure] if name not in runs.variants]
    if absent:
        return f"no run of {', '.join(absent)} is finished"
    common = set.intersection(*(set(runs.variants[name]) for name in NEEDED[figure]))
    return "" if common else f"{', '.join(NEEDED[figure])} have no finished seed in common"


def left_out(figure: str, study: Study, runs: Runs) -> tuple[str, ...]:
    """What a figure that is drawn of all variants there are says of those that there are not."""
    absent = [name for name in study.variants if name not in runs.variants] if figure in OPEN else []
    return (f"Not in it: {', '.join(absent)}, of which no run is finished.",) if absent else ()
