"""Finished runs, as a report needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from models.errors import AnytimeError
from training.baselines.options import BaselineRecipe
from training.baselines.pca_prior.report import PCAPriorReport
from training.baselines.state import BaselineState
from training.baselines.vae.report import VAEReport
from training.evaluation.kinds import kind_of
from training.evaluation.report import REPORT, Claim, DataFacts, Report
from training.files import read_json
from training.recipe import Recipe
from training.speed import Speeds, read_speeds
from training.state import STATE, RunState
from training.study.folder import FACTS, RunFacts, StudyFolder
from training.study.keys import essence
from training.study.options import Study

EVALUATION = "evaluation"
NOT_MEASURED = Speeds()
Parsed = TypeVar("Parsed", bound=BaseModel)


class ReportError(AnytimeError):
    """Runs that cannot be reported on, or not together."""


class AnyReport(Protocol):
    """What the reports of all runs have."""

    @property
    def data(self) -> DataFacts:
        """The data that was used."""

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What it was claimed to show, checked against this run alone."""

    @property
    def versions(self) -> dict[str, str]:
        """Of Python and of the libraries that computed it."""


AnyRecipe_co = TypeVar("AnyRecipe_co", bound=Recipe | BaselineRecipe, covariant=True)
AnyReport_co = TypeVar("AnyReport_co", bound=AnyReport, covariant=True)


@dataclass(frozen=True)
class FinishedRun(Generic[AnyRecipe_co, AnyReport_co]):
    """One finished run.

    Attributes:
        data: fingerprint of its data.
        report: what its evaluation measured.
        facts: on what it ran; None of a run that was no study's.
        speeds: of its stages, as far as they were measured.
    """

    directory: Path
    recipe: AnyRecipe_co
    data: str
    report: AnyReport_co
    facts: RunFacts | None = None
    speeds: Speeds = NOT_MEASURED

    @property
    def pictures(self) -> Path:
        """The folder with the evaluation's plots and samples."""
        return self.directory / EVALUATION

    @property
    def bundle(self) -> Path:
        """The run's bundle."""
        return self.directory / "bundle"


Finished = FinishedRun[Recipe, Report]
FinishedBaseline = FinishedRun[BaselineRecipe, AnyReport]
FinishedVAE = FinishedRun[BaselineRecipe, VAEReport]
FinishedPCAPrior = FinishedRun[BaselineRecipe, PCAPriorReport]
AnyBaseline = TypeVar("AnyBaseline", bound=FinishedBaseline)
AnyRun = TypeVar("AnyRun", bound=FinishedRun[Any, Any])


@dataclass(frozen=True)
class RunsOf(Generic[AnyRun]):
    """Runs by variant, then by seed; all on the same data, and judged by the same extractor.

    Attributes:
        titles: what plots and tables call each variant.
    """

    variants: Mapping[str, Mapping[int, AnyRun]]
    titles: Mapping[str, str]

    def all(self) -> list[AnyRun]:
        """Every run, variant by variant."""
        return [run for seeds in self.variants.values() for run in seeds.values()]

    def first(self, variant: str) -> AnyRun:
        """The run of a variant with the lowest seed."""
        return self.variants[variant][min(self.variants[variant])]

    def values(self, variant: str, pick: Callable[[AnyRun], float]) -> dict[int, float]:
        """One number of each run of a variant, by seed."""
        return {seed: pick(run) for seed, run in self.variants[variant].items()}


Runs = RunsOf[Finished]
BASELINES: dict[str, type[VAEReport] | type[PCAPriorReport]] = {"vae": VAEReport, "pca-prior": PCAPriorReport}


def is_baseline(directory: Path) -> bool:
    """Whether a folder holds a run of `anytime baseline`. Raises ReportError if it holds no run."""
    if not (directory / STATE).is_file():
        raise ReportError(f"{directory}: holds no run, there is no {STATE} in it")
    state = read_json(directory / STATE)
    return isinstance(state, dict) and (state.get("recipe") or {}).get("kind") in BASELINES


def read_run(directory: Path) -> Finished:
    """The folder of a run of `anytime train` or `anytime study`.

    Raises:
        ReportError: if it holds no such run, or one whose evaluation is not complete.
        CheckpointError: if a file of it cannot be read.
    """
    if is_baseline(directory):
        raise ReportError(f"{directory}: holds a baseline, which no other run is compared with")
    state = _read(RunState, directory, STATE)
    if "evaluate" not in state.completed:
        raise ReportError(f"{directory}: this run is not evaluated yet; go on with it first")
    report = _read(kind_of(state.recipe.media).report, directory, f"{EVALUATION}/{REPORT}")
    facts = _read(RunFacts, directory, FACTS) if (directory / FACTS).is_file() else None
    return Finished(directory, state.recipe, state.data, report, facts, _speeds(directory))


def read_baseline(directory: Path) -> FinishedBaseline:
    """The folder of a run of `anytime baseline`.

    Raises:
        ReportError: if it holds no such run, or one that is not complete.
        CheckpointError: if a file of it cannot be read.
    """
    state = _read(BaselineState, directory, STATE)
    if not (directory / EVALUATION / REPORT).is_file():
        raise ReportError(f"{directory}: this run is not evaluated yet; go on with it first")
    report: AnyReport = _read(BASELINES[state.recipe.kind], directory, f"{EVALUATION}/{REPORT}")
    return FinishedBaseline(directory, state.recipe, state.data, report, None, _speeds(directory))


def _read(kind: type[Parsed], directory: Path, name: str) -> Parsed:
    try:
        return kind.model_validate(read_json(directory / name))
    except ValidationError as error:
        raise ReportError(f"{directory}: its {name} is damaged or of another version ({error.title})") from error


def _speeds(directory: Path) -> Speeds:
    try:
        return read_speeds(directory)
    except ValidationError as error:
        raise ReportError(f"{directory}: its speeds are damaged or of another version ({error.title})") from error


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


def runs_by_recipe(runs: Iterable[AnyRun]) -> RunsOf[AnyRun]:
    """Runs of any origin: what differs in more than the seed is another variant, named after its recipe.

    Raises:
        ReportError: if two have the same recipe with the same seed.
    """
    variants: dict[str, dict[int, AnyRun]] = {}
    kinds: dict[str, str] = {}
    for run in runs:
        kind = str(essence(run.recipe.model_copy(update={"seed": 0, "description": ""})))
        name = kinds.setdefault(kind, _free_name(run.recipe.name, kinds.values()))
        seeds = variants.setdefault(name, {})
        if run.recipe.seed in seeds:
            raise ReportError(f"{run.directory}: has the recipe and seed of {seeds[run.recipe.seed].directory}")
        seeds[run.recipe.seed] = run
    return RunsOf(variants, {name: name for name in variants})


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
