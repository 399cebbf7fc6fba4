"""What is measured of real samples is measured once for all runs that share it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from toy_data import toy_split

from training.evaluation import real as module
from training.evaluation.classifier import ClassifierConfig, Extractor, Judge, JudgeSource, train_or_load
from training.evaluation.frechet import FrechetReference
from training.evaluation.kinds import IMAGES, Kind
from training.evaluation.pca import fit
from training.evaluation.real import RealSamples, Wanted, measure_real

CPU = torch.device("cpu")
CONFIG = ClassifierConfig(epochs=2, seed=1, batch=32, widths=(4, 8), features=16)
TRAIN, TEST = toy_split(120), toy_split(40, seed=1)
WANTED = Wanted(TRAIN, TEST, components=3, size=30, seed=5)


def source(folder: Path, *, keeps: bool = True) -> JudgeSource:
    return JudgeSource(CONFIG, TRAIN, folder / "judge.safetensors", folder / "real" if keeps else None)


def judge(folder: Path) -> Extractor:
    return train_or_load(folder / "judge.safetensors", CONFIG, TRAIN, 3, CPU, lambda _: None)


def same(one: RealSamples, other: RealSamples) -> bool:
    return all(torch.equal(*pair) for pair in zip(one, other, strict=True))


def test_it_is_what_the_judge_and_pca_say(tmp_path: Path) -> None:
    found = measure_real(WANTED, IMAGES, judge(tmp_path), source(tmp_path, keeps=False))
    judged = judge(tmp_path).judge(TEST.images)
    components = fit(TRAIN.images, 3)
    assert torch.equal(found.judged.features, judged.features)
    assert torch.equal(found.judged.predictions, judged.predictions)
    assert torch.equal(found.pca, components.errors(TEST.images, clamp=False))
    assert torch.equal(found.pca_clamped, components.errors(TEST.images, clamp=True))
    # All that is left over of 120 after two sets of 30 is not looked at.
    whole = FrechetReference(judged.features).distance(judge(tmp_path).judge(TRAIN.images).features)
    assert found.floor.shape == (2,)
    assert all(0 < distance < 10 * whole + 1 for distance in found.floor.tolist())
    assert not (tmp_path / "real").exists()


def test_another_run_reads_it_and_measures_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = measure_real(WANTED, IMAGES, judge(tmp_path), source(tmp_path))
    measured, original = list[Wanted](), module._measured

    def counted(wanted: Wanted, kind: Kind, judge: Judge) -> RealSamples:
        measured.append(wanted)
        return original(wanted, kind, judge)

    monkeypatch.setattr(module, "_measured", counted)
    assert same(first, measure_real(WANTED, IMAGES, judge(tmp_path), source(tmp_path)))
    assert not measured
    changes = (WANTED._replace(seed=6), WANTED._replace(components=2), WANTED._replace(test=toy_split(40, seed=2)))
    for change in changes:
        measure_real(change, IMAGES, judge(tmp_path), source(tmp_path))
    assert measured == list(changes)
    assert len(list((tmp_path / "real").iterdir())) == 4


def test_a_damaged_file_is_measured_again(tmp_path: Path) -> None:
    first = measure_real(WANTED, IMAGES, judge(tmp_path), source(tmp_path))
    (kept,) = (tmp_path / "real").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:200])
    assert same(first, measure_real(WANTED, IMAGES, judge(tmp_path), source(tmp_path)))
    assert kept.read_bytes() == whole
