"""Finished runs, as a report needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from models.errors import AnytimeError
from training.evaluation.report import REPORT, Report
from training.files import read_json
from training.recipe import Recipe
from training.state import STATE, RunState
from training.study.folder import FACTS, RunFacts, StudyFolder
from training.study.keys import essence
from training.study.options import Study


class ReportError(AnytimeError):
    """Runs that cannot be reported on, or not together."""


@dataclass(frozen=True, slots=True)
class Finished:
    """One finished run.

    Attributes:
        data: fingerprint of its data.
        report: what its evaluation measured.
        facts: on what it ran; None of a run that was no study's.
    """

    directory: Path
    recipe: Recipe
    data: str
    report: Report
    facts: RunFacts | None

    @property
    def pictures(self) -> Path:
        """The folder with the evaluation's plots and samples."""
        return self.directory / "evaluation"

    @property
    def bundle(self) -> Path:
        """The run's bundle."""
        return self.directory / "bundle"


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs by variant, then by seed; all on the same data, and judged by the same extractor.

    Attributes:
        titles: what plots and tables call each variant.
    """

    variants: Mapping[str, Mapping[int, Finished]]
    titles: Mapping[str, str]

    def all(self) -> list[Finished]:
        """Every run, variant by variant."""
        return [run for seeds in self.variants.values() for run in seeds.values()]

    def first(self, variant: str) -> Finished:
        """The run of a variant with the lowest seed."""
        return self.variants[variant][min(self.variants[variant])]

    def values(self, variant: str, pick: Callable[[Finished], float]) -> dict[int, float]:
        """One number of each run of a variant, by seed."""
        return {seed: pick(run) for seed, run in self.variants[variant].items()}


def read_run(directory: Path) -> Finished:
    """A run's folder.

    Raises:
        ReportError: if it holds no run, or one whose evaluation is not complete.
        CheckpointError: if a file of it cannot be read.
    """
    if not (directory / STATE).is_file():
        raise ReportError(f"{directory}: holds no run, there is no {STATE} in it")
    path = directory / "evaluation" / REPORT
    try:
        state = RunState.model_validate(read_json(directory / STATE))
        if "evaluate" not in state.completed:
            raise ReportError(f"{directory}: this run is not evaluated yet; go on with it first")
        report = Report.model_validate(read_json(path))
        facts = RunFacts.model_validate(read_json(directory / FACTS)) if (directory / FACTS).is_file() else None
    except ValidationError as error:
        raise ReportError(f"{directory}: one of its files is damaged or of another version ({error.title})") from error
    return Finished(directory, state.recipe, state.data, report, facts)


def runs_of_study(folder: StudyFolder, name: str) -> tuple[Study, Runs]:
    """A study and those of its runs that are finished.

    Raises:
        AnytimeError: if there are none, or they cannot be compared.
    """
    index = folder.index(name)
    variants: dict[str, dict[int, Finished]] = {}
    for entry in index.runs:
        variants.setdefault(entry.variant, {})[entry.seed] = read_run(folder.run(entry.run))
    if not variants:
        raise ReportError(f"{folder.root}: no run of study {name} is finished")
    runs = Runs(variants, {name: variant.title or name for name, variant in index.study.variants.items()})
    check_comparable(runs.all())
    return index.study, runs


def runs_of_folders(directories: Sequence[Path]) -> Runs:
    """Runs of any origin: what differs in more than the seed is another variant, named after its recipe.

    Raises:
        AnytimeError: if a folder holds no finished run, or two hold the same recipe with the same seed.
    """
    variants: dict[str, dict[int, Finished]] = {}
    kinds: dict[str, str] = {}
    for directory in directories:
        run = read_run(directory)
        kind = str(essence(run.recipe.model_copy(update={"seed": 0, "description": ""})))
        name = kinds.setdefault(kind, _free_name(run.recipe.name, kinds.values()))
        seeds = variants.setdefault(name, {})
        if run.recipe.seed in seeds:
            raise ReportError(f"{directory}: has the recipe and seed of {seeds[run.recipe.seed].directory}")
        seeds[run.recipe.seed] = run
    return Runs(variants, {name: name for name in variants})


def check_comparable(runs: Sequence[Finished]) -> None:
    """Refuse runs on different data, or judged by different extractors.

    Raises:
        ReportError: naming two that differ.
    """
    first, *others = runs
    for run in others:
        for what, mine, its in (
            ("data", run.data, first.data),
            ("extractor", run.report.extractor.name, first.report.extractor.name),
        ):
            if mine != its:
                raise ReportError(
                    f"{first.directory} and {run.directory} cannot be compared: their {what} differs "
                    f"({its[:40]} and {mine[:40]})"
                )


def _free_name(name: str, taken: Iterable[str]) -> str:
    used, number, free = set(taken), 2, name
    while free in used:
        free, number = f"{name}-{number}", number + 1
    return free
