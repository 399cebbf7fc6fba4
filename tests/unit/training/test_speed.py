"""Samples per second of trained stages: what is counted, what is left out, and what a resumed run adds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from toy_data import toy_split, write_idx_folder
from toy_recipe import EPOCHS, toy_run

from training import speed
from training.data import fetching
from training.data.fetching import seconds_fetching
from training.loop import train
from training.speed import SPEEDS, SpeedMeter, Speeds, read_speeds
from training.stages import codes
from training.stages.autoencoder import AutoencoderTask
from training.stages.prior import PriorTask

CPU = torch.device("cpu")


class Clock:
    """Advanced by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    by_hand = Clock()
    monkeypatch.setattr(speed, "perf_counter", by_hand)
    monkeypatch.setattr(fetching, "perf_counter", by_hand)
    return by_hand


def laps(meter: SpeedMeter, clock: Clock, *seconds: float, waiting: float = 0.0) -> None:
    """Laps of 10 samples each."""
    for duration in seconds:
        with fetching.fetching():
            clock.now += waiting
        clock.now += duration - waiting
        meter.count(10)
        meter.lap()


def test_the_first_lap_and_pauses_are_left_out(tmp_path: Path, clock: Clock) -> None:
    meter = SpeedMeter(tmp_path, "prior", CPU, processes=1)
    laps(meter, clock, 60.0, 2.0, 2.0, 500.0, 3.0, waiting=0.5)
    meter.write()
    (found,) = read_speeds(tmp_path).stages
    assert (found.samples, found.seconds, found.waiting) == (30, 7.0, 1.5)
    assert (found.place.device, found.place.threads, found.place.processes) == ("cpu", torch.get_num_threads(), 1)


def test_nothing_between_laps_counts(tmp_path: Path, clock: Clock) -> None:
    meter = SpeedMeter(tmp_path, "prior", CPU, processes=1)
    laps(meter, clock, 1.0, 1.0)
    clock.now += 100  # a validation
    meter.begin()
    laps(meter, clock, 1.0)
    meter.write()
    assert read_speeds(tmp_path).stages[0].seconds == 2.0


def test_a_process_that_goes_on_adds_to_what_it_finds(tmp_path: Path, clock: Clock) -> None:
    for _ in range(2):
        meter = SpeedMeter(tmp_path, "prior", CPU, processes=1)
        laps(meter, clock, 9.0, 1.0)
        meter.write()
        laps(meter, clock, 1.0)
        meter.write()
        meter.write()  # nothing is new
        clock.now += 3600  # nobody is there
    (found,) = read_speeds(tmp_path).stages
    assert (found.samples, found.seconds) == (40, 4.0)


def test_stages_and_places_are_kept_apart(tmp_path: Path, clock: Clock) -> None:
    for stage, processes in (("ordered", 1), ("ordered", 2), ("prior", 1)):
        meter = SpeedMeter(tmp_path, stage, CPU, processes)
        laps(meter, clock, 1.0, 1.0)
        meter.write()
    found = [(part.stage, part.place.processes, part.samples) for part in read_speeds(tmp_path).stages]
    assert found == [("ordered", 1, 10), ("ordered", 2, 10), ("prior", 1, 10)]


def test_one_lap_is_no_measurement_and_a_damaged_file_is_replaced(tmp_path: Path, clock: Clock) -> None:
    meter = SpeedMeter(tmp_path, "prior", CPU, processes=1)
    laps(meter, clock, 1.0)
    meter.write()
    assert read_speeds(tmp_path) == Speeds()
    (tmp_path / SPEEDS).parent.mkdir()
    (tmp_path / SPEEDS).write_text("nonsense")
    meter = SpeedMeter(tmp_path, "prior", CPU, processes=1)
    laps(meter, clock, 1.0, 1.0)
    meter.write()
    assert read_speeds(tmp_path).stages[0].samples == 10


def test_every_stage_that_goes_through_the_data_leaves_its_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "BATCH", 100)
    data = write_idx_folder(tmp_path / "toy", toy_split(400), toy_split(30, seed=1))
    context = toy_run(data, tmp_path / "run", checkpoint_seconds=1e9)
    stages = context.recipe.stages
    assert stages.autoencoder is not None
    waited = seconds_fetching()
    train(context, AutoencoderTask(context, "autoencoder"), stages.autoencoder)
    context.weights_path("ordered").write_bytes(context.weights_path("autoencoder").read_bytes())
    codes.run(context)
    train(context, PriorTask(context), stages.prior)
    found = {part.stage: part for part in read_speeds(context.directory).stages}
    assert list(found) == ["autoencoder", "codes", "prior"]
    # An epoch is 10 steps of 32 pictures and a lap ends with it; the first is left out.
    for name in ("autoencoder", "prior"):
        assert 0 < found[name].samples <= 320 * (EPOCHS - 1)
    assert all(0 < part.waiting < part.seconds for part in found.values())
    assert found["codes"].samples <= 300
    assert sum(part.waiting for part in found.values()) <= seconds_fetching() - waited
