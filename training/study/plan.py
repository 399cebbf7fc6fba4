"""What a study has to do: its runs, and which of their stages an earlier run has done already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.suggestions import did_you_mean
from training.recipe import Recipe
from training.state import RunState, StageName
from training.study.keys import run_key, stage_keys
from training.study.options import Study, StudyError

# What a run can take over from another; the others are quick, or belong to one run.
SHAREABLE: tuple[StageName, ...] = ("autoencoder", "ordered", "codes", "prior")


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a study.

    Attributes:
        recipe: with its seed, and with the labels of the data.
        data: fingerprint of the data set.
        key: the name of its folder.
    """

    variant: str
    seed: int
    recipe: Recipe
    data: str
    key: str

    @property
    def stages(self) -> dict[StageName, str]:
        """The digest of each of its stages."""
        return stage_keys(self.recipe, self.data)


@dataclass(frozen=True, slots=True)
class Planned:
    """What becomes of a job's stages: done in its own folder, shared by another run, or to be done."""

    job: Job
    done: tuple[StageName, ...]
    shared: tuple[StageName, ...]
    to_do: tuple[StageName, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return not self.shared and not self.to_do


def make_job(variant: str, seed: int, recipe: Recipe, data: str) -> Job:
    """A job with its key."""
    return Job(variant, seed, recipe, data, run_key(recipe, data))


def select(study: Study, variants: Sequence[str] | None, seeds: Sequence[int] | None) -> list[tuple[str, int]]:
    """The variants and seeds asked for, seed by seed, so that a study which is cut short has whole comparisons.

    Raises:
        StudyError: naming a variant that the study does not have.
    """
    for name in variants or ():
        if name not in study.variants:
            near = did_you_mean(name, study.variants)
            only = ", ".join(study.variants)
            raise StudyError(f"--variants: {study.name} has no variant {name!r}{near}, only {only}")
    chosen = [name for name in study.variants if variants is None or name in variants]
    return [(variant, seed) for seed in (seeds if seeds is not None else study.seeds) for variant in chosen]


def plan(jobs: Sequence[Job], states: dict[str, RunState]) -> list[Planned]:
    """What each job's stages become, if the jobs are done in order.

    Args:
        states: of the runs that were begun, by key.
    """
    finished = finished_stages(states)
    available = set(finished)
    planned: list[Planned] = []
    for job in jobs:
        state, keys = states.get(job.key), job.stages
        done = tuple(stage for stage in keys if state is not None and stage in state.completed)
        if any(job.key == earlier.job.key for earlier in planned):
            done = tuple(keys)  # by then
        left = [stage for stage in keys if stage not in done]
        shared = tuple(stage for stage in left if stage in SHAREABLE and keys[stage] in available)
        planned.append(Planned(job, done, shared, tuple(stage for stage in left if stage not in shared)))
        available.update(keys.values())
    return planned


def finished_stages(states: dict[str, RunState]) -> dict[str, str]:
    """The run that has each complete stage, by the stage's digest."""
    found: dict[str, str] = {}
    for key, state in states.items():
        for stage, digest in stage_keys(state.recipe, state.data).items():
            if stage in state.completed:
                found.setdefault(digest, key)
    return found
