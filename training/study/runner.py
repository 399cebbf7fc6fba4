"""Runs a study: one run after another through the pipeline, each beginning with what earlier runs have done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import torch

from models.benchmark import machine
from training import pipeline
from training.context import RunContext
from training.data.dataset import Dataset, DataSource, arrange
from training.data.progress import QUIET, PreparationProgress
from training.data.request import Request, default_cache
from training.evaluation.classifier import ClassifierConfig, JudgeSource, judge_key
from training.files import write_json
from training.progress import RunProgress
from training.recipe import Recipe
from training.state import StageName, open_state
from training.study.folder import FACTS, Entry, RunFacts, StudyFolder
from training.study.keys import essence
from training.study.options import Study, recipe_of
from training.study.plan import SHAREABLE, Job, Planned, finished_stages, make_job, plan

JUDGE_SEED = 0  # of the classifier that judges all runs on the same data
OUTPUTS: dict[StageName, str] = {stage: f"{stage}.safetensors" for stage in SHAREABLE}


@dataclass
class StudyData:
    """The data of a study's recipes; each is read once for all runs that prepare it alike."""

    source: DataSource
    cache: Path | None = None
    progress: PreparationProgress = QUIET
    _read: dict[str, Dataset] = field(default_factory=dict)

    def of(self, recipe: Recipe) -> Dataset:
        """The data set of a recipe, split by its seed."""
        request = Request(recipe.media, recipe.data, self.cache or default_cache(), self.progress)
        return arrange(self.source.load(request), recipe)

    def complete(self, recipe: Recipe) -> Dataset:
        """The same whatever the seed and the number of training samples: what judges a comparison learns from."""
        everything = recipe.model_copy(
            update={"seed": JUDGE_SEED, "data": recipe.data.model_copy(update={"limit": None})}
        )
        key = str((essence(everything.media), essence(everything.data), everything.labels))
        if key not in self._read:
            self._read[key] = self.of(everything)
        return self._read[key]


@dataclass(frozen=True, slots=True)
class StudyRun:
    """One invocation of a study.

    Attributes:
        chosen: variants and seeds, in the order in which they are trained.
        say: told one line at a time.
        new_progress: how a run shows itself, given the folder of its logs.
    """

    study: Study
    chosen: list[tuple[str, int]]
    folder: StudyFolder
    data: StudyData
    device: torch.device
    say: Callable[[str], None]
    new_progress: Callable[[Path], RunProgress]
    checkpoint_seconds: float = 30.0

    def jobs(self) -> list[Job]:
        """The runs, with the names of their folders."""
        return [self._job(variant, seed) for variant, seed in self.chosen]

    def plan(self) -> list[Planned]:
        """What there is to do."""
        return plan(self.jobs(), self.folder.states())

    def run(self) -> None:
        """Do all of it. Raises AnytimeError as the pipeline does."""
        jobs = self.jobs()
        for number, job in enumerate(jobs, 1):
            self.say(f"[{number}/{len(jobs)}] {job.variant}, seed {job.seed}: {self.folder.run(job.key)}")
            with self.folder.alone(f"run-{job.key}"):
                self._run(job)
            self.folder.record(self.study, Entry(variant=job.variant, seed=job.seed, run=job.key))

    def _job(self, variant: str, seed: int) -> Job:
        recipe = recipe_of(self.study, variant, seed)
        complete = self.data.complete(recipe)
        return make_job(variant, seed, recipe.model_copy(update={"labels": complete.labels}), complete.fingerprint)

    def _run(self, job: Job) -> None:
        (planned,) = plan([job], self.folder.states())
        if planned.complete:
            self.say("complete")
            return
        began, directory = monotonic(), self.folder.run(job.key)
        shared = take_over(self.folder, job)
        context = RunContext(
            job.recipe,
            self.data.of(job.recipe),
            directory,
            self.device,
            self.new_progress(directory / "logs"),
            self.checkpoint_seconds,
            self._judge(job.recipe),
        )
        pipeline.run(context)
        kind = self.device.type
        facts = RunFacts(
            machine=machine(kind),
            device=kind,
            threads=torch.get_num_threads(),
            seconds=round(monotonic() - began, 1),
            shared=shared,
        )
        write_json(directory / FACTS, facts.model_dump(mode="json"))

    def _judge(self, recipe: Recipe) -> JudgeSource:
        """The classifier of the data: the same for all runs whose data and number of epochs for it are the same."""
        config = ClassifierConfig(epochs=recipe.evaluate.classifier_epochs, seed=JUDGE_SEED)
        train = self.data.complete(recipe).train
        key = judge_key(config, train, len(recipe.labels), self.device)
        return JudgeSource(config, train, self.folder.judges / f"{key}.safetensors", self.folder.judges / "real")


def take_over(folder: StudyFolder, job: Job) -> tuple[StageName, ...]:
    """Give a run the results of those of its stages that another run has done; returns their names.

    Files are linked, or copied where the file system has no links. Nothing ever writes into such a file: a stage that
    is done again puts a new file in its place.
    """
    directory, finished = folder.run(job.key), finished_stages(folder.states())
    directory.mkdir(parents=True, exist_ok=True)
    state = open_state(directory, job.recipe, job.data)
    shared: list[StageName] = []
    for stage, digest in job.stages.items():
        if stage in state.completed:
            continue
        if stage not in SHAREABLE or digest not in finished:
            break
        _link(folder.run(finished[digest]) / OUTPUTS[stage], directory / OUTPUTS[stage])
        (directory / "checkpoints" / OUTPUTS[stage]).unlink(missing_ok=True)
        state = state.with_completed(stage)
        state.write(directory)
        shared.append(stage)
    return tuple(shared)


def _link(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.part")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copyfile(source, temporary)
    temporary.replace(target)
