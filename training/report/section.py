"""A section of a report: figures, drawn, and the facts that numbers must not be read without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from training.baselines.options import BaselineRecipe
from training.evaluation.known import identify
from training.evaluation.words import ability_of, words_for
from training.options import Optimisation
from training.recipe import Recipe
from training.report.collect import AnyRun, Finished, FinishedBaseline, FinishedRun, Runs, RunsOf
from training.report.drawing import Drawn
from training.report.figures.registry import FIGURES
from training.report.missing import left_out, missing_runs, why_not_drawn
from training.report.needs import BASELINE_FIGURES, OWN_FIGURES, label
from training.report.verdicts import Judgement, judge
from training.speed import Place
from training.study.options import FigureRequest, Study


@dataclass(frozen=True, slots=True)
class Part:
    """One figure of a section.

    Attributes:
        key: the paper's number for it; empty if it has none.
        claim: what the paper says that it shows, or, of a figure that the paper has not, what it was drawn to see.
        drawn: None if runs that it needs are missing, which `missing` then says.
        remark: what somebody has to say about the result.
    """

    key: str
    title: str
    claim: str
    drawn: Drawn | None
    missing: str = ""
    remark: str = ""

    @property
    def claimed(self) -> str:
        """The claim and whose it is; empty without one."""
        whose = "To be shown" if self.key in OWN_FIGURES else "The paper's claim"
        return f"{whose}: {self.claim}" if self.claim else ""

    @property
    def heading(self) -> str:
        """Its title, after what the paper calls it."""
        return f"{label(self.key)}: {self.title}" if self.key else self.title

    @property
    def judgement(self) -> Judgement | None:
        """What became of the claim; None if it was not tested."""
        return judge(self.drawn.verdicts) if self.drawn and self.drawn.verdicts else None

    @property
    def sentence(self) -> str:
        """What became of it, or why there is nothing to say."""
        if self.drawn is None:
            return f"Not drawn: {self.missing}."
        return self.judgement.sentence if self.judgement else "Drawn, without a claim."


@dataclass(frozen=True, slots=True)
class Section:
    """What a report says about one study, or about runs that belong together otherwise.

    Attributes:
        name: of its files.
        runs: whose samples are shown; None if they have none to show.
    """

    name: str
    title: str
    parts: tuple[Part, ...]
    facts: tuple[tuple[str, str], ...] = ()
    runs: Runs | None = None


def study_section(study: Study, runs: Runs, name: str = "") -> Section:
    """Draw all figures of a study for which there are runs; its files take its own name, if no other is given."""
    parts = tuple(_part(request, study, runs) for request in study.figures)
    missing = missing_runs(study, runs)
    facts = (
        ("trained by", f"anytime study {study.name}"),
        *((("runs", missing),) if missing else ()),
        *facts_of(runs),
    )
    return Section(name or study.name, study.title, parts, facts, runs)


def baseline_section(kind: str, runs: RunsOf[FinishedBaseline]) -> Section:
    """Draw the figure of one kind of baseline, of runs of one recipe under its kind's name."""
    key, claim = BASELINE_FIGURES[kind]
    figure = FIGURES[key]
    part = Part(key, figure.title, claim, figure.draw(runs))
    recipe = runs.first(kind).recipe
    facts = (("trained by", f"anytime baseline {recipe.name}"), *_common_facts(runs, _baseline_schedule))
    return Section(recipe.name, f"Baseline {recipe.name}", (part,), facts)


def facts_of(runs: Runs) -> tuple[tuple[str, str], ...]:
    """Data, sizes, schedule, seeds, hardware and versions of runs, each by its name."""
    report = runs.all()[0].report
    measured = (
        ("samples", f"{report.samples.count:,} per run, temperature {report.samples.sampling.temperature:g}"),
        (
            "extractor",
            f"{report.extractor.name}, which {ability_of(report.extractor, words_for(report.data.shape).many)}",
        ),
    )
    common = _common_facts(runs, _schedule)
    return (*common[:2], *measured, *common[2:])


def _common_facts(runs: RunsOf[AnyRun], schedule: Callable[[AnyRun], str]) -> tuple[tuple[str, str], ...]:
    everything = runs.all()
    first = everything[0].report
    data, many, known = first.data, words_for(first.data.shape).many, identify(first.data.fingerprint)
    several = len(runs.variants) > 1
    schedules = [(f"{runs.titles[name]}: " if several else "") + schedule(runs.first(name)) for name in runs.variants]
    seeds = {name: ", ".join(map(str, sorted(found))) for name, found in runs.variants.items()}
    same = len(set(seeds.values())) == 1
    return (
        ("data", f"{known.name}, {' x '.join(map(str, data.shape))}, fingerprint {data.fingerprint[:12]}"),
        (f"test {many}", f"{data.test_images:,}"),
        ("schedule", "; ".join(dict.fromkeys(schedules))),
        ("seeds", seeds[next(iter(seeds))] if same else "; ".join(f"{name}: {found}" for name, found in seeds.items())),
        ("hardware", "; ".join(sorted({_hardware(run) for run in everything}))),
        ("versions", ", ".join(f"{name} {version}" for name, version in first.versions.items())),
    )


def _part(request: FigureRequest, study: Study, runs: Runs) -> Part:
    figure = FIGURES[request.figure]
    missing = why_not_drawn(request.figure, runs)
    if missing:
        return Part(request.figure, figure.title, request.claim, None, missing)
    drawn = figure.draw(runs)
    drawn = replace(drawn, notes=(*drawn.notes, *left_out(request.figure, study, runs)))
    return Part(request.figure, figure.title, request.claim, drawn)


def _schedule(run: Finished) -> str:
    recipe, data = run.recipe, run.report.data
    shape = f"K {recipe.autoencoder.codes}, C {recipe.autoencoder.codebook}"
    return f"{data.train_images:,} training {words_for(data.shape).many}, {shape}, epochs {_epochs(recipe)}"


def _baseline_schedule(run: FinishedBaseline) -> str:
    return f"{run.report.data.train_images:,} training images, epochs {_epochs(run.recipe)}"


def _epochs(recipe: Recipe | BaselineRecipe) -> str:
    stages = [(name, stage) for name, stage in recipe.stages if isinstance(stage, Optimisation)]
    return " + ".join(f"{stage.epochs} {name}" for name, stage in stages)


def _hardware(run: FinishedRun[Any, Any]) -> str:
    if run.facts is not None:
        return hardware(run.facts.machine, run.facts.device, run.facts.threads)
    places = {hardware_of(speed.place) for speed in run.speeds.stages}
    return "; ".join(sorted(places)) or "not recorded"


def hardware_of(place: Place) -> str:
    """The same of one place."""
    return hardware(place.machine, place.device, place.threads, place.processes)


def hardware(machine: str, device: str, threads: int, processes: int = 1) -> str:
    """On what something ran, in words."""
    several = f"{processes} processes on " if processes > 1 else ""
    return several + machine + (f", {threads} thread{'s' * (threads > 1)}" if device == "cpu" else "")


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
                "outcome": part.judgement.result if part.judgement else None,
                "sentence": part.sentence,
                "remark": part.remark or None,
                "missing": part.missing or None,
                "verdicts": [verdict.model_dump(mode="json") for verdict in part.drawn.verdicts] if part.drawn else [],
                "numbers": part.drawn.numbers if part.drawn else {},
            }
            for part in section.parts
        ],
    }
