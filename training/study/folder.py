"""The folder of studies: runs by key, the judges they share, and an index for each study.

runs/KEY/            a run, as `anytime train` leaves it, and run.json
judges/KEY.safetensors
judges/real/         what evaluations measure of real samples, which many runs have in common; can be deleted
studies/NAME.json    which run is which variant with which seed
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from models.config import Frozen
from training.files import read_json, write_json
from training.state import STATE, ResumeError, RunState
from training.study.keys import essence
from training.study.options import Study, recipe_of

FACTS = "run.json"


class RunFacts(Frozen):
    """What a run's other files leave out, since they must not differ from run to run.

    Attributes:
        machine: the processor's or the GPU's name.
        device: cpu or cuda.
        threads: of the CPU.
        seconds: from when it was begun, or last gone on with, to its end.
        shared: its stages that an earlier run had done.
    """

    machine: str
    device: str
    threads: int
    seconds: float
    shared: tuple[str, ...] = ()


class Entry(Frozen):
    """One run of a study; `run` is its folder's name below `runs`."""

    variant: str
    seed: int
    run: str


class Index(Frozen):
    """A study, with those of its runs that are complete."""

    study: Study
    runs: tuple[Entry, ...] = ()


class StudyFolder:
    """Paths and small files of a folder of studies."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs = root / "runs"
        self.judges = root / "judges"

    def run(self, key: str) -> Path:
        """The folder of the run with this key."""
        return self.runs / key

    def state(self, key: str) -> RunState | None:
        """How far the run with this key has come; None if it was never begun."""
        path = self.run(key) / STATE
        if not path.is_file():
            return None
        try:
            return RunState.model_validate(read_json(path))
        except ValidationError as error:
            raise ResumeError(f"{path}: is not the state of a run") from error

    def states(self) -> dict[str, RunState]:
        """All runs that were begun, by key."""
        found = {path.parent.name: self.state(path.parent.name) for path in sorted(self.runs.glob(f"*/{STATE}"))}
        return {key: state for key, state in found.items() if state is not None}

    def index(self, name: str) -> Index:
        """The index of a study.

        Raises:
            ResumeError: if the study was never begun here, or its index is damaged.
        """
        path = self._index_path(name)
        if not path.is_file():
            known = ", ".join(self.studies()) or "none"
            raise ResumeError(f"{self.root}: holds no runs of a study {name!r}, only of: {known}")
        try:
            return Index.model_validate(read_json(path))
        except ValidationError as error:
            raise ResumeError(f"{path}: is not the index of a study") from error

    def studies(self) -> tuple[str, ...]:
        """Names of the studies that have runs here."""
        return tuple(sorted(path.stem for path in (self.root / "studies").glob("*.json")))

    def record(self, study: Study, entry: Entry) -> None:
        """Note a complete run in its study's index.

        An entry for the same variant and seed is replaced; what the study, as it is now and on this run's data, would
        not train any more is left out.
        """
        with self.alone("index"):
            path = self._index_path(study.name)
            runs = self.index(study.name).runs if path.is_file() else ()
            others = [run for run in runs if (run.variant, run.seed) != (entry.variant, entry.seed)]
            present = self.state(entry.run)
            kept = [run for run in others if present and self._belongs(run, study, present.data)] + [entry]
            order = list(study.variants)
            kept.sort(key=lambda run: (order.index(run.variant), run.seed))
            write_json(path, Index(study=study, runs=tuple(kept)).model_dump(mode="json"))

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """Let one process at a time do something in this folder; the lock ends with the process."""
        locks = self.root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / what).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _belongs(self, run: Entry, study: Study, data: str) -> bool:
        """Whether a run is what a study asks for on this data."""
        state = self.state(run.run)
        if state is None or state.data != data or run.variant not in study.variants:
            return False
        wanted = recipe_of(study, run.variant, run.seed)
        # A run's recipe has labels even where the study leaves them to the data.
        recipes = (recipe.model_copy(update={"labels": ()}) for recipe in (state.recipe, wanted))
        return len({str(essence(recipe)) for recipe in recipes}) == 1

    def _index_path(self, name: str) -> Path:
        return self.root / "studies" / f"{name}.json"
