"""What reports are drawn from, kept without weights: small enough to lie beside a report, and to draw it again."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from training.evaluation.audio.sheets import BY_FRACTION_WAV
from training.evaluation.pictures import BY_FRACTION, RECONSTRUCTIONS
from training.evaluation.report import REPORT
from training.files import CheckpointError
from training.report.collect import EVALUATION
from training.report.figures.first_code import MEASURED, SHEET
from training.report.sampling_time import TIMING
from training.speed import SPEEDS
from training.state import STATE
from training.study.folder import FACTS, Entry, Index, StudyFolder

NUMBERS = (STATE, FACTS, SPEEDS, TIMING, MEASURED, f"{EVALUATION}/{REPORT}")
# Reports show those of each variant's lowest seed only.
PICTURES = (SHEET, *(f"{EVALUATION}/{name}" for name in (BY_FRACTION, RECONSTRUCTIONS, BY_FRACTION_WAV)))


def keep_studies(folders: Iterable[Path], names: Collection[str], target: Path) -> int:
    """Copy what reports read of every complete run; returns how many runs were copied.

    What `target` has already stays there, but for runs of the same variant and seed of a study, which are replaced:
    so the seeds of one study can be trained at several times and places.

    Args:
        folders: each what was the `--out` of `anytime study`.
        names: of the studies that are wanted; none takes all.
        target: such a folder, to be given to `anytime report` and to nothing else, since it holds no weights.

    Raises:
        CheckpointError: if something cannot be copied.
    """
    kept = StudyFolder(target)
    copied = set[str]()
    for folder in map(StudyFolder, folders):
        if folder.root.resolve() == target.resolve():
            continue  # it is what is drawn from, and stays as it is
        for name in folder.studies():
            if names and name not in names:
                continue
            index = folder.index(name)
            pictured = set(_first_seeds(index))
            for entry in index.runs:
                files = (*NUMBERS, *(PICTURES if entry in pictured else ()))
                _copy(folder.run(entry.run), kept.run(entry.run), files)
                kept.record(index.study, entry)
                copied.add(entry.run)
    if copied:
        _tidy(kept)
    return len(copied)


def _first_seeds(index: Index) -> Iterator[Entry]:
    """Of each variant, the run with the lowest seed."""
    found: dict[str, Entry] = {}
    for entry in index.runs:
        if entry.variant not in found or entry.seed < found[entry.variant].seed:
            found[entry.variant] = entry
    yield from found.values()


def _copy(source: Path, target: Path, names: Iterable[str]) -> None:
    for name in names:
        if not (source / name).is_file():
            continue  # not every run has everything
        try:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)
        except OSError as error:
            raise CheckpointError(f"{target / name}: cannot be written ({error.strerror})") from error


def _tidy(kept: StudyFolder) -> None:
    """Remove the runs that no study of the folder names any more."""
    named = {entry.run for name in kept.studies() for entry in kept.index(name).runs}
    for directory in kept.runs.iterdir():
        if directory.name not in named:
            shutil.rmtree(directory)
    shutil.rmtree(kept.root / "locks")  # nothing is trained here
