"""A study as a section of a report: its figures, drawn, and the facts that numbers must not be read without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training.recipe import Recipe
from training.report.collect import Finished, Runs
from training.report.drawing import Drawn
from training.report.figures.registry import FIGURES
from training.report.needs import NEEDED
from training.report.verdicts import Outcome, overall
from training.study.options import FigureRequest, Study


@dataclass(frozen=True, slots=True)
class Part:
    """One figure of a section.

    Attributes:
        key: the paper's number for it; empty if it has none.
        claim: what the paper says that it shows.
        drawn: None if runs that it needs are missing, which `missing` then says.
    """

    key: str
    title: str
    claim: str
    drawn: Drawn | None
    missing: str = ""

    @property
    def outcome(self) -> Outcome | None:
        """What became of the claim; None if it was not tested."""
        return overall(self.drawn.verdicts) if self.drawn and self.drawn.verdicts else None


@dataclass(frozen=True, slots=True)
class Section:
    """What a report says about one study."""

    name: str
    title: str
    parts: tuple[Part, ...]
    facts: tuple[tuple[str, str], ...]
    runs: Runs


def study_section(study: Study, runs: Runs) -> Section:
    """Draw all figures of a study for which there are runs."""
    parts = tuple(_part(request, runs) for request in study.figures)
    return Section(study.name, study.title, parts, facts_of(runs), runs)


def facts_of(runs: Runs) -> tuple[tuple[str, str], ...]:
    """Data, sizes, schedule, seeds, hardware and versions of runs, each by its name."""
    everything = runs.all()
    first = everything[0]
    data, report = first.report.data, first.report
    several = len(runs.variants) > 1
    schedules = [(f"{runs.titles[name]}: " if several else "") + _schedule(runs.first(name)) for name in runs.variants]
    seeds = {name: ", ".join(map(str, sorted(found))) for name, found in runs.variants.items()}
    same = len(set(seeds.values())) == 1
    return (
        ("data", f"{data.name}, {' x '.join(map(str, data.shape))}, fingerprint {data.fingerprint[:12]}"),
        ("test images", f"{data.test_images:,}"),
        ("samples", f"{report.samples.count:,} per run, temperature {report.samples.sampling.temperature:g}"),
        (
            "extractor",
            f"{report.extractor.name}, right on {report.extractor.test_accuracy.value:.1%} of the test images",
        ),
        ("schedule", "; ".join(dict.fromkeys(schedules))),
        ("seeds", seeds[next(iter(seeds))] if same else "; ".join(f"{name}: {found}" for name, found in seeds.items())),
        ("hardware", "; ".join(sorted({_hardware(run) for run in everything}))),
        ("versions", ", ".join(f"{name} {version}" for name, version in report.versions.items())),
    )


def _part(request: FigureRequest, runs: Runs) -> Part:
    figure = FIGURES[request.figure]
    missing = _missing(request.figure, runs)
    drawn = None if missing else figure.draw(runs)
    return Part(request.figure, figure.title, request.claim, drawn, missing)


def _missing(figure: str, runs: Runs) -> str:
    """Why a figure cannot be drawn of these runs; empty if it can."""
    absent = [name for name in NEEDED[figure] if name not in runs.variants]
    if absent:
        return f"no run of {', '.join(absent)} is finished"
    common = set.intersection(*(set(runs.variants[name]) for name in NEEDED[figure]))
    return "" if common else f"{', '.join(NEEDED[figure])} have no finished seed in common"


def _schedule(run: Finished) -> str:
    recipe, data = run.recipe, run.report.data
    shape = f"K {recipe.autoencoder.codes}, C {recipe.autoencoder.codebook}"
    return f"{data.train_images:,} training images, {shape}, epochs {_epochs(recipe)}"


def _epochs(recipe: Recipe) -> str:
    stages = {"autoencoder": recipe.stages.autoencoder, "ordered": recipe.stages.ordered, "prior": recipe.stages.prior}
    return " + ".join(f"{stage.epochs} {name}" for name, stage in stages.items() if stage)


def _hardware(run: Finished) -> str:
    if run.facts is None:
        return "not recorded"
    threads = f", {run.facts.threads} thread{'s' if run.facts.threads > 1 else ''}" if run.facts.device == "cpu" else ""
    return f"{run.facts.machine}{threads}"


def numbers_of(section: Section) -> dict[str, Any]:
    """A section's numbers as JSON."""
    return {
        "study": section.name,
        "title": section.title,
        "facts": dict(section.facts),
        "figures": [
            {
                "figure": part.key,
                "claim": part.claim,
                "outcome": part.outcome,
                "missing": part.missing or None,
                "verdicts": [verdict.model_dump(mode="json") for verdict in part.drawn.verdicts] if part.drawn else [],
                "numbers": part.drawn.numbers if part.drawn else {},
            }
            for part in section.parts
        ],
    }
