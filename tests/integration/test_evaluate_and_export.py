"""The last two stages on a really trained toy model, and `anytime evaluate` on the bundle they write."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluating import evaluate_command
from factories import tiny_manifest, write_tiny_bundle
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from toy_data import toy_split, write_idx_folder
from typer.testing import CliRunner

import anytime
from models.autoencoder import OrderedVQVAE
from models.bundle.networks import load_networks
from models.bundle.reader import read_manifest, verify_bundle
from models.errors import AnytimeError, DataError, DeviceError
from models.native import library
from models.runtime import load_model
from models.runtime.native import NativeExecutor
from models.runtime.ordered import OrderedModel
from models.truncation import sample_lengths
from training.checkpoint import save_checkpoint
from training.context import RunContext
from training.data.dataset import prepare
from training.data.sources import open_source
from training.evaluation.eight_bit import recorded
from training.evaluation.plots import PLOTS
from training.evaluation.report import EightBitFacts, Report
from training.files import CheckpointError
from training.progress import RunProgress
from training.recipe import Recipe
from training.stages import evaluate, export

STAGE = {"epochs": 1, "batch": 32}
PICTURES = ["samples.png", "samples-by-fraction.png", "reconstructions.png"]


def toy_recipe() -> Recipe:
    manifest = tiny_manifest("toy")
    return Recipe.model_validate(
        {
            **manifest.model_dump(include={"name", "description", "media", "labels", "autoencoder", "prior"}),
            "seed": 3,
            "data": {"validation": 60},
            "stages": {"autoencoder": STAGE, "ordered": STAGE, "prior": STAGE},
            "evaluate": {"images": 80, "samples_per_class": 20, "classifier_epochs": 15},
        }
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_idx_folder(tmp_path_factory.mktemp("data") / "toy", toy_split(400), toy_split(90, seed=1))


def new_run(data: Path, directory: Path) -> RunContext:
    recipe = toy_recipe()
    progress = RunProgress(directory / "logs", Console(file=io.StringIO()))
    return RunContext(recipe, prepare(open_source(str(data)), recipe), directory, torch.device("cpu"), progress)


def train_models(context: RunContext) -> None:
    """A few steps of Eq. (6), enough to beat the mean image; the prior stays random."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        autoencoder, prior = context.new_autoencoder(), context.new_prior()
    assert isinstance(autoencoder, OrderedVQVAE)
    x = context.dataset.train.batch(slice(None), context.device)
    autoencoder.initialise_codebook(x, generator)
    optimiser = torch.optim.Adam(autoencoder.parameters(), lr=1e-2)
    for _ in range(60):
        loss = autoencoder.train_pass(x, sample_lengths(len(x), torch.ones(6), generator), 0.25).losses.total
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    save_checkpoint(context.weights_path("ordered"), autoencoder.state_dict(), {})
    save_checkpoint(context.weights_path("prior"), prior.state_dict(), {})


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    context = new_run(data, tmp_path_factory.mktemp("run"))
    train_models(context)
    evaluate.run(context)
    export.run(context)
    return context


@pytest.fixture
def report(run: RunContext) -> Report:
    return Report.model_validate_json((run.evaluation_directory / "report.json").read_bytes())


@pytest.fixture(autouse=True)
def determinism_as_before() -> Iterator[None]:
    before = torch.get_deterministic_debug_mode()
    yield
    torch.set_deterministic_debug_mode(before)


def test_report_covers_every_code_count_fraction_and_label(report: Report) -> None:
    facts = report.reconstruction
    assert facts.images == report.data.test_images == 80
    for curve in (facts.model, facts.pca, facts.pca_clamped):
        assert len(curve.errors) == len(curve.errors_per_pixel) == 7
        assert len(curve.gains) == 6
        reduction = curve.errors[0].value - curve.errors[-1].value
        assert sum(gain.value for gain in curve.gains) == pytest.approx(reduction)
        assert curve.errors_per_pixel[3] == pytest.approx(curve.errors[3].value / 64)
    assert facts.model.errors[0].value == pytest.approx(facts.pca.errors[0].value, rel=1e-12)
    assert facts.pca_clamped.errors[0] == facts.pca.errors[0]
    assert facts.quality is not None
    assert (facts.quality[0], facts.quality[-1]) == (0, 1)
    assert [f.fraction for f in report.samples.fractions] == [0.25, 0.5, 0.75, 1]
    assert [f.codes for f in report.samples.fractions] == [2, 3, 5, 6]
    for fraction in report.samples.fractions:
        assert list(fraction.recognition_by_label) == ["circle", "square", "star"]
        assert [share.count for share in fraction.recognition_by_label.values()] == [20, 20, 20]
        assert fraction.recognition is not None
        assert sum(share.hits for share in fraction.recognition_by_label.values()) == fraction.recognition.hits
    assert len(report.samples.distance_drop) == 3
    assert report.distance.name == f"FD ({report.extractor.name})"
    assert report.data.trained_on is True


def test_the_judge_can_judge_and_real_images_are_nearest_to_real_images(report: Report) -> None:
    assert report.extractor.test_accuracy is not None
    assert report.extractor.test_accuracy.value > 0.9
    assert max(report.distance.floor) < report.distance.reconstructions
    assert max(report.distance.floor) < report.samples.fractions[-1].distance.value


def test_claims_agree_with_the_numbers(report: Report) -> None:
    claims = {claim.name: claim for claim in report.claims}
    assert claims["error_falls"].values == report.reconstruction.model.gains
    assert claims["error_falls"].holds == all(gain.value > 0 for gain in report.reconstruction.model.gains)
    assert not claims["recognised"].holds  # the prior is random
    assert claims["below_pca"].values == report.reconstruction.below_pca


def test_pictures_and_plots_are_written(run: RunContext) -> None:
    for name in [*PICTURES, *PLOTS]:
        with Image.open(run.evaluation_directory / name) as picture:
            picture.verify()
    with Image.open(run.evaluation_directory / "samples-by-fraction.png") as picture:
        assert picture.height > 4 * 80
        assert picture.width > 3 * 80


def test_the_bundle_is_whole_and_says_where_it_comes_from(run: RunContext, report: Report) -> None:
    manifest = verify_bundle(run.bundle_path)
    assert set(manifest.files) == {"autoencoder.safetensors", "prior.safetensors", "report.json", "samples.png"}
    assert manifest.quality_curve == report.quality_curve
    assert manifest.training["recipe"] == run.recipe.model_dump(mode="json")
    assert manifest.training["data"]["fingerprint"] == run.dataset.fingerprint
    assert manifest.training["seed"] == 3
    assert "torch" in manifest.training["versions"]
    networks = load_networks(run.bundle_path)
    shipped = run.autoencoder().state_dict()
    assert all(torch.equal(tensor, shipped[name]) for name, tensor in networks.autoencoder.state_dict().items())


def test_the_report_and_the_bundle_say_what_eight_bits_cost(run: RunContext, report: Report) -> None:
    facts = report.eight_bit
    assert isinstance(facts, EightBitFacts)
    assert (facts.executor, facts.beside, facts.samples) == ("native-int8", "native", 60)
    for found, full in zip(facts.fractions, report.samples.fractions, strict=True):
        assert (found.codes, found.full_precision) == (full.codes, full.distance.value)
        assert found.recognised_full_precision == full.recognition
        assert found.ratio == pytest.approx(found.eight_bit / found.full_precision)
    assert facts.passed == all(found.ratio <= 1.02 for found in facts.fractions)
    check = read_manifest(run.bundle_path).eight_bit
    assert check is not None
    assert check == facts.recorded(report.distance.name)
    assert check.passed == facts.passed
    _, model = load_model(run.bundle_path, slots=2)
    assert isinstance(model, OrderedModel)
    assert model.executor.name == ("native-int8" if facts.passed else "native")


def test_an_old_bundle_is_checked_and_told(run: RunContext, data: Path, tmp_path: Path) -> None:
    bundle, folder = tmp_path / "toy", tmp_path / "report"
    shutil.copytree(run.bundle_path, bundle)
    content = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    said = content.pop("eight_bit")
    (bundle / "bundle.json").write_text(json.dumps(content), encoding="utf-8")
    assert verify_bundle(bundle).eight_bit is None
    output = evaluate_command(bundle, data, folder)
    assert "Eight bits (native-int8 beside native)" in output
    assert verify_bundle(bundle).eight_bit is None
    output = evaluate_command(bundle, data, folder, "--record")
    assert "now says of eight bits" in output
    assert json.loads((bundle / "bundle.json").read_text(encoding="utf-8")) == {**content, "eight_bit": said}
    assert verify_bundle(bundle) == verify_bundle(run.bundle_path)


def test_an_executor_that_disagrees_fails_and_is_not_chosen(
    run: RunContext, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, folder = tmp_path / "toy", tmp_path / "report"
    shutil.copytree(run.bundle_path, bundle)
    right = NativeExecutor.decode

    def inverted(self: NativeExecutor, slots: Sequence[int]) -> NDArray[np.float32]:
        return 1 - right(self, slots) if self.name == "native-int8" else right(self, slots)

    monkeypatch.setattr(NativeExecutor, "decode", inverted)
    assert "NOT passed" in evaluate_command(bundle, data, folder, "--record")
    report = Report.model_validate_json((folder / "report.json").read_bytes())
    assert isinstance(report.eight_bit, EightBitFacts)
    assert not report.eight_bit.passed
    _, model = load_model(bundle, slots=2)
    assert isinstance(model, OrderedModel)
    assert model.executor.name == "native"


def test_where_eight_bits_cannot_be_had_the_evaluation_says_so_and_records_nothing(
    run: RunContext, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, folder = tmp_path / "toy", tmp_path / "report"
    shutil.copytree(run.bundle_path, bundle)
    monkeypatch.setattr(library, "kernels", lambda: None)
    before = (bundle / "bundle.json").read_bytes()
    with pytest.raises(DeviceError, match="--record: native-int8 cannot be checked here: it was not built"):
        evaluate_command(bundle, data, folder, "--record")
    assert not folder.exists()
    assert "Eight bits: not checked with native-int8: it was not built" in evaluate_command(bundle, data, folder)
    report = Report.model_validate_json((folder / "report.json").read_bytes())
    assert report.eight_bit == (
        "not checked with native-int8: it was not built while installing, which needs a C++ compiler"
    )
    assert recorded(report) is None
    assert (bundle / "bundle.json").read_bytes() == before


def test_nothing_in_the_bundle_names_a_place(run: RunContext, data: Path) -> None:
    for name in ("bundle.json", "report.json"):
        text = (run.bundle_path / name).read_text(encoding="utf-8")
        assert str(run.directory) not in text
        assert str(data) not in text


def test_another_run_with_the_same_weights_writes_the_same_bytes(run: RunContext, data: Path, tmp_path: Path) -> None:
    other = new_run(data, tmp_path)
    train_models(other)
    evaluate.run(other)
    first_time = {file.name: file.read_bytes() for file in other.evaluation_directory.glob("*.*")}
    evaluate.run(other)  # as after a kill: the classifier is in the cache now
    assert first_time == {file.name: file.read_bytes() for file in other.evaluation_directory.glob("*.*")}
    export.run(other)
    names = sorted(file.name for file in run.bundle_path.iterdir())
    assert names == sorted(file.name for file in other.bundle_path.iterdir())
    for name in names:
        assert (run.bundle_path / name).read_bytes() == (other.bundle_path / name).read_bytes(), name


def test_evaluating_the_bundle_gives_the_report_that_it_carries(run: RunContext, data: Path, tmp_path: Path) -> None:
    arguments = [str(run.bundle_path), "--data", str(data), "--report", str(tmp_path / "report"), "--device", "cpu"]
    result = CliRunner().invoke(anytime.app, ["evaluate", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    assert "Reconstruction of 80 test images" in result.output
    assert (tmp_path / "report" / "report.json").read_bytes() == (run.bundle_path / "report.json").read_bytes()


def test_an_untrained_bundle_of_unknown_origin_is_judged_without_mercy(data: Path, tmp_path: Path) -> None:
    bundle, folder = write_tiny_bundle(tmp_path), tmp_path / "report"
    arguments = [str(bundle), "--data", str(data), "--report", str(folder), "--samples", "30"]
    result = CliRunner().invoke(anytime.app, ["evaluate", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    values = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert values["reconstruction"]["quality"] is None
    assert values["data"]["trained_on"] is None
    assert values["data"]["train_images"] == 400
    assert values["samples"]["count"] == 30
    assert not all(claim["holds"] for claim in values["claims"])


def test_other_data_of_the_same_kind_is_pointed_out(run: RunContext, tmp_path: Path) -> None:
    other = write_idx_folder(tmp_path / "other", toy_split(300, seed=8), toy_split(60, seed=9))
    arguments = [str(run.bundle_path), "--data", str(other), "--report", str(tmp_path / "report")]
    result = CliRunner().invoke(anytime.app, ["evaluate", *arguments], catch_exceptions=False)
    assert "was trained on other data" in result.output
    report = Report.model_validate_json((tmp_path / "report" / "report.json").read_bytes())
    assert report.data.trained_on is False
    with pytest.raises(DataError, match=r"--record: .* was trained on other data"):
        evaluate_command(run.bundle_path, other, tmp_path / "report", "--record")


def test_an_untrained_run_has_no_quality_curve(data: Path, tmp_path: Path) -> None:
    context = new_run(data, tmp_path)
    for path, network in (
        (context.weights_path("ordered"), context.new_autoencoder()),
        (context.weights_path("prior"), context.new_prior()),
    ):
        save_checkpoint(path, network.state_dict(), {})
    with pytest.raises(AnytimeError, match=r"no better than the mean image .* train it for longer"):
        evaluate.run(context)


def test_nothing_is_exported_without_a_whole_report(run: RunContext, data: Path, tmp_path: Path) -> None:
    context = new_run(data, tmp_path)
    with pytest.raises(CheckpointError, match=r"report\.json: cannot be read"):
        export.run(context)
    context.evaluation_directory.mkdir()
    (context.evaluation_directory / "samples.png").write_bytes(b"")
    (context.evaluation_directory / "report.json").write_bytes((run.bundle_path / "report.json").read_bytes()[:-50])
    with pytest.raises(CheckpointError, match=r"report\.json: is damaged"):
        export.run(context)
    assert not context.bundle_path.exists()
