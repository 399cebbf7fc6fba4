"""All sections of a report: studies, baselines, single runs, and how fast all of them trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from training.report.collect import (
    Finished,
    FinishedBaseline,
    FinishedRun,
    Runs,
    RunsOf,
    is_baseline,
    read_baseline,
    read_run,
    runs_by_recipe,
    runs_of_study,
)
from training.report.eight_bits import eight_bit_section
from training.report.overview import overview
from training.report.section import Section, baseline_section, study_section
from training.report.training_speed import speed_section
from training.study.folder import StudyFolder
from training.study.options import StudyError


def all_sections(folders: Sequence[Path], names: Sequence[str], directories: Sequence[Path]) -> list[Section]:
    """Everything that there is to report.

    Args:
        folders: of studies.
        names: of the studies that are wanted; none takes all.
        directories: of runs, baselines or not, that no study brought together.

    Raises:
        AnytimeError: if something is missing, unfinished, or cannot be compared.
    """
    sections: list[Section] = []
    everything: list[FinishedRun[Any, Any]] = []
    models: list[tuple[str, Finished]] = []
    for folder, name in _studies(folders, names):
        study, runs = runs_of_study(folder, name)
        sections.append(study_section(study, runs, _free(name, sections)))
        everything += runs.all()
        models += _named(runs, f"{study.title}: ")
    baselines = [read_baseline(directory) for directory in directories if is_baseline(directory)]
    for kind, of_kind in _by_recipe(baselines):
        sections.append(baseline_section(kind, of_kind))
    singles = [read_run(directory) for directory in directories if not is_baseline(directory)]
    if singles:
        by_recipe = runs_by_recipe(singles)
        sections.append(overview(by_recipe))
        models += _named(by_recipe)
    last = (eight_bit_section(models), speed_section([*everything, *baselines, *singles]))
    return [*sections, *(section for section in last if section)]


def _named(runs: Runs, prefix: str = "") -> list[tuple[str, Finished]]:
    """Every run under its variant's title."""
    return [(prefix + runs.titles[name], run) for name in runs.variants for run in runs.variants[name].values()]


def _studies(folders: Sequence[Path], names: Sequence[str]) -> list[tuple[StudyFolder, str]]:
    found = [(StudyFolder(folder), name) for folder in folders for name in StudyFolder(folder).studies()]
    for name in names:
        if name not in {known for _, known in found}:
            known = ", ".join(dict.fromkeys(known for _, known in found)) or "none"
            raise StudyError(f"{', '.join(map(str, folders))}: holds no runs of a study {name!r}, only of: {known}")
    if folders and not found:
        raise StudyError(f"{', '.join(map(str, folders))}: holds no studies")
    return [(folder, name) for folder, name in found if not names or name in names]


def _by_recipe(baselines: Iterable[FinishedBaseline]) -> list[tuple[str, RunsOf[FinishedBaseline]]]:
    """Baselines of each recipe, as runs of one variant that has its kind's name."""
    runs = runs_by_recipe(baselines)
    found: list[tuple[str, RunsOf[FinishedBaseline]]] = []
    for name, seeds in runs.variants.items():
        kind = runs.first(name).recipe.kind
        found.append((kind, RunsOf({kind: seeds}, {kind: name})))
    return found


def _free(name: str, sections: Sequence[Section]) -> str:
    """A name that no section has: studies in two folders may have the same."""
    taken, free, number = {section.name for section in sections}, name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free
