"""From a folder of voices to a bundle, and `anytime evaluate` on it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
import torch
from PIL import Image
from rich.console import Console
from toy_sound import RATE, VOICES, WINDOW, voices_recipe, write_voices
from typer.testing import CliRunner

import anytime
from models.bundle.reader import verify_bundle
from training import pipeline
from training.context import RunContext
from training.data.dataset import prepare
from training.data.sources import open_source
from training.evaluation.audio import voice
from training.evaluation.audio.report import AudioReport
from training.evaluation.plots import PLOTS
from training.progress import RunProgress

SHEETS = ("samples", "samples-by-fraction", "reconstructions")
PAUSE = RATE // 4  # samples between two clips of a WAV file


@pytest.fixture(scope="module", autouse=True)
def no_voice_encoder() -> Iterator[None]:
    """The same judge wherever the tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voice, "installed", lambda: False)
        yield


@pytest.fixture(autouse=True)
def determinism_as_before() -> Iterator[None]:
    before = torch.get_deterministic_debug_mode()
    yield
    torch.set_deterministic_debug_mode(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("voices"))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    directory, cache = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("cache")
    recipe = voices_recipe()
    dataset = prepare(open_source(str(data), "audio"), recipe, cache)
    recipe = recipe.model_copy(update={"labels": dataset.labels})
    progress = RunProgress(directory / "logs", Console(file=io.StringIO()))
    context = RunContext(recipe, dataset, directory, torch.device("cpu"), progress)
    pipeline.run(context)
    return context


@pytest.fixture
def report(run: RunContext) -> AudioReport:
    return AudioReport.model_validate_json((run.evaluation_directory / "report.json").read_bytes())


def test_the_report_is_of_clips(report: AudioReport, run: RunContext) -> None:
    facts = report.reconstruction
    assert facts.images == len(run.dataset.test)
    assert "samples in [-1, 1]" in facts.unit
    assert len(facts.log_mel) == len(facts.model.errors) == 7
    assert facts.model.errors[0].value == pytest.approx(facts.pca.errors[0].value, rel=1e-9)
    assert facts.model.errors[-1].value < facts.model.errors[0].value
    assert facts.log_mel[-1].value < facts.log_mel[0].value
    fallen = facts.log_mel[0].value - facts.log_mel[-1].value
    assert sum(gain.value for gain in facts.log_mel_gains) == pytest.approx(fallen)
    assert [f.fraction for f in report.samples.fractions] == [0.0625, 0.25, 0.5, 1]
    assert [f.codes for f in report.samples.fractions] == [1, 2, 3, 6]
    assert [claim.name for claim in report.claims][-1] == "difference_falls"


def test_the_judge_is_named_and_knows_the_voices(report: AudioReport) -> None:
    assert report.extractor.name.startswith("log-mel-local-cnn-")
    assert report.distance.name == f"FD ({report.extractor.name})"
    assert report.distance.reference == "real test clips"
    assert report.extractor.epochs == 3
    assert report.extractor.test_accuracy is not None
    assert report.extractor.test_accuracy.value > 0.9
    assert list(report.samples.fractions[0].recognition_by_label) == sorted(VOICES)


def test_there_is_something_to_see_and_to_hear(run: RunContext, report: AudioReport) -> None:
    for name in [*(f"{sheet}.png" for sheet in SHEETS), *PLOTS, "log-mel-distance.png"]:
        with Image.open(run.evaluation_directory / name) as picture:
            picture.verify()
    voices = len(VOICES)
    for sheet, clips in zip(SHEETS, (voices, 4 * voices, 5 * voices), strict=True):
        samples, rate = soundfile.read(run.evaluation_directory / f"{sheet}.wav", dtype="int16")
        assert rate == RATE
        assert len(samples) == clips * (WINDOW + PAUSE)
        assert abs(samples).max() > 500
    # The last clip of each row of reconstructions is the original.
    original = run.dataset.test.images[(run.dataset.test.labels == 1).nonzero()[0, 0], 0]
    heard = torch.from_numpy(samples[-WINDOW - PAUSE : -PAUSE])
    assert torch.equal(heard, original)


def test_the_bundle_can_be_heard(run: RunContext, report: AudioReport) -> None:
    manifest = verify_bundle(run.bundle_path)
    networks = {"autoencoder.safetensors", "prior.safetensors"}
    assert set(manifest.files) == networks | {"report.json", "samples.png", "samples.wav"}
    assert manifest.quality_curve == report.quality_curve
    assert (manifest.quality_curve[0], manifest.quality_curve[-1]) == (0, 1)
    assert soundfile.info(run.bundle_path / "samples.wav").samplerate == RATE


def test_the_command_measures_the_same(run: RunContext, report: AudioReport, data: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", str(run.bundle_path), "--data", str(data), "--report", str(tmp_path / "report")]
    result = CliRunner().invoke(anytime.app, [*arguments, "--cache", str(tmp_path / "cache"), "--threads", "1"])
    assert result.exit_code == 0, result.output
    assert "log-mel" in result.output
    assert "clips" in result.output
    again = AudioReport.model_validate_json((tmp_path / "report" / "report.json").read_bytes())
    assert again.data == report.data
    assert [e.value for e in again.reconstruction.log_mel] == pytest.approx(
        [e.value for e in report.reconstruction.log_mel], rel=1e-3
    )
