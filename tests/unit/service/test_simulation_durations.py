from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from models.errors import AnytimeError
from service.simulation.durations import WARM_UP, Durations, read_durations, small_cpu_model

PNG = ("png", 1)
FILE = {
    "steps_ms": {"1": [1.0, 2.0], "4": [3.0]},
    "decodes_ms": {"1": [2.0], "4": [4.0]},
    "encodes_ms": {"png:1": [0.5], "png:8": [5.0], "webp:1": [1.5]},
}


@pytest.fixture
def recorded(tmp_path: Path) -> Durations:
    path = tmp_path / "costs.json"
    path.write_text(json.dumps(FILE))
    return read_durations(path)


def test_durations_are_drawn_from_those_recorded(recorded: Durations) -> None:
    chance = Random(1)
    assert {recorded.step(1, chance) for _ in range(50)} == {0.001, 0.002}
    assert {recorded.step(batch, chance) for batch in (2, 3, 4)} == {0.003}
    assert recorded.decode(3, chance) == 0.004
    assert recorded.encode(("png", 7), chance) == 0.005
    assert recorded.encode(("jpeg", 1), chance) == 0.0005


def test_further_codes_take_what_was_recorded_of_them_or_what_the_first_takes(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_text(json.dumps(FILE | {"repeats_ms": {"1": [0.1], "4": []}}))
    quick = read_durations(path)
    assert quick.repeat(1, Random(1)) == 0.0001
    assert quick.repeat(3, Random(1)) == quick.step(3, Random(1)) == 0.003
    assert quick.work(4, [PNG]).code_s == pytest.approx(0.0001)
    assert quick.work(4, [PNG]).step_s == pytest.approx(0.0001)


def test_the_least_work_is_that_of_the_best_batch(recorded: Durations) -> None:
    work = recorded.work(4, [PNG, ("webp", 1)])
    assert work.code_s == pytest.approx(0.003 / 4)
    assert work.sample_s == pytest.approx(0.004 / 4 + 0.0005)
    assert work.step_s == pytest.approx(0.001)
    assert work.finish_s == pytest.approx(0.0025)
    assert recorded.work(1, [PNG]).code_s == pytest.approx(0.0015)


def test_a_warm_up_observes_every_batch_size_and_encoding(recorded: Durations) -> None:
    costs = recorded.warm_up(4, [PNG], Random(1))
    assert costs.steps.buckets == (1, 4)
    assert costs.step(4) == 0.003
    assert costs.decode(2) == 0.004
    assert costs.encode(PNG) == 0.0005
    assert WARM_UP > 1


def test_more_slots_than_the_largest_batch(recorded: Durations) -> None:
    with pytest.raises(AnytimeError, match="up to 4, not for 5 slots"):
        recorded.work(5, [PNG])


def test_the_formula_goes_through_what_was_measured() -> None:
    work = small_cpu_model().work(64, [PNG])
    assert work.code_s == pytest.approx(17e-3 / 64)
    assert work.sample_s == pytest.approx(7.4e-3 / 64 + 0.12e-3)
    assert small_cpu_model(1).buckets == (1,)
    assert small_cpu_model(5).buckets == (1, 2, 4, 5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps_ms": {"1": [1.0]}}, "same batch sizes"),
        ({"decodes_ms": {"1": [], "4": [1.0]}}, "durations above 0"),
        ({"encodes_ms": {"png:1": [0.0]}}, "durations above 0"),
        ({"encodes_ms": {}}, "one encoding"),
        ({"encodes_ms": {"png": [1.0]}}, "named like png:1"),
        ({"steps_ms": 3}, "Expected `object`"),
        ({"more": 3}, "unknown field"),
    ],
)
def test_a_file_that_makes_no_sense(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tmp_path / "costs.json"
    path.write_text(json.dumps(FILE | change))
    with pytest.raises(AnytimeError, match=said):
        read_durations(path)
