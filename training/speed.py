"""How many samples a second a stage goes through, and what part of the time it waits for them: `logs/speed.json`.

Only steps count: no validation, no checkpoint, nothing between an interruption and going on. What was done on other
hardware, or with other threads, is kept apart. Nothing of it goes into a checkpoint or a bundle, which must not differ
from run to run.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import torch
from pydantic import ValidationError

from models.benchmark import machine
from models.config import Frozen
from training.data.fetching import seconds_fetching
from training.files import CheckpointError, read_json, write_json

SPEEDS = "logs/speed.json"  # logs are what may differ between runs of one recipe
PAUSE = 4.0  # times the median; a lap that took longer was stopped in between, or the machine slept


class Place(Frozen):
    """On what a stage ran.

    Attributes:
        machine: the processor's or the GPU's name.
        device: cpu or cuda.
        threads: of the CPU, of each process.
        processes: that shared the work.
    """

    machine: str
    device: str
    threads: int
    processes: int


class StageSpeed(Frozen):
    """The steps of one stage in one place, as far as they were measured.

    Attributes:
        samples: images or clips, of all processes.
        seconds: that they took, on the clock of the main process.
        waiting: seconds of these in which the main process fetched rows.
    """

    stage: str
    place: Place
    samples: int
    seconds: float
    waiting: float


class Speeds(Frozen):
    """The contents of the file."""

    stages: tuple[StageSpeed, ...] = ()


class _Lap(NamedTuple):
    samples: int
    seconds: float
    waiting: float


class SpeedMeter:
    """Measures one stage in this process.

    A lap is some steps in a row, with whatever they have started on the device finished. The first lap of a process is
    left out, since it includes what is done once, such as compiling; and so are laps with a pause in them.
    """

    def __init__(self, directory: Path, stage: str, device: torch.device, processes: int) -> None:
        self._path = directory / SPEEDS
        self._stage = stage
        self._place = Place(
            machine=machine(device.type), device=device.type, threads=torch.get_num_threads(), processes=processes
        )
        self._before = _present(directory).stages
        self._laps: list[_Lap] = []
        self._written = 1  # laps that are in the file, or are the first
        self.begin()

    def begin(self) -> None:
        """A lap begins now; what was counted since the last one ended is dropped."""
        self._samples, self._since, self._waited = 0, perf_counter(), seconds_fetching()

    def count(self, samples: int) -> None:
        """So many samples more have been gone through."""
        self._samples += samples

    def lap(self) -> None:
        """A lap ends now, and another one begins."""
        if self._samples:
            self._laps.append(_Lap(self._samples, perf_counter() - self._since, seconds_fetching() - self._waited))
        self.begin()

    def write(self) -> None:
        """Put what was measured since the process began beside what others have, if anything is new."""
        if len(self._laps) <= self._written:
            return
        self._written = len(self._laps)
        mine = self._sum()
        others: list[StageSpeed] = []
        for speed in self._before:
            if self._is_mine(speed):
                mine = added(mine, speed)
            else:
                others.append(speed)
        write_json(self._path, Speeds(stages=(*others, mine)).model_dump(mode="json"))

    def _is_mine(self, speed: StageSpeed) -> bool:
        return (speed.stage, speed.place) == (self._stage, self._place)

    def _sum(self) -> StageSpeed:
        laps = self._laps[1:]
        usual = statistics.median(lap.seconds / lap.samples for lap in laps)
        unbroken = [lap for lap in laps if lap.seconds <= PAUSE * usual * lap.samples]
        samples, seconds, waiting = (sum(column) for column in zip(*unbroken, strict=True))
        return StageSpeed(stage=self._stage, place=self._place, samples=int(samples), seconds=seconds, waiting=waiting)


def added(first: StageSpeed, second: StageSpeed) -> StageSpeed:
    """Two measurements of the same stage in the same place as one."""
    return first.model_copy(
        update={name: getattr(first, name) + getattr(second, name) for name in ("samples", "seconds", "waiting")}
    )


def read_speeds(directory: Path) -> Speeds:
    """What was measured of a run; nothing if it was trained before this was measured.

    Raises:
        CheckpointError: if the file is there and unreadable.
        ValidationError: if it is something else.
    """
    path = directory / SPEEDS
    return Speeds.model_validate(read_json(path)) if path.is_file() else Speeds()


def _present(directory: Path) -> Speeds:
    try:
        return read_speeds(directory)
    except (CheckpointError, ValidationError):
        return Speeds()  # a damaged file costs a measurement, not the training
