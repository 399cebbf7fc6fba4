"""Baselines from recipe to report: what is refused, what is written, what an interruption changes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from toy_baselines import pca_prior_values, toy_baseline, toy_pca_prior, toy_vae, vae_values
from toy_data import toy_split, write_idx_folder
from typer.testing import CliRunner

import anytime
from models.errors import RecipeError
from training.baselines import pipeline
from training.baselines.options import BaselineRecipe, PCAPriorRecipe, VAERecipe
from training.baselines.pca_prior.report import PCAPriorReport
from training.baselines.pca_prior.task import DensityTask
from training.baselines.recipe import KINDS, bundled_baselines, load_baseline
from training.baselines.vae.report import VAEReport
from training.baselines.vae.task import VAETask
from training.recipe import parse_as
from training.state import ResumeError

RECIPES: dict[str, BaselineRecipe] = {"vae": toy_vae(), "pca-prior": toy_pca_prior()}


class Killed(BaseException):
    """The process is gone: nothing may catch it."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_idx_folder(tmp_path_factory.mktemp("data") / "toy", toy_split(400), toy_split(30, seed=1))


def run(recipe: BaselineRecipe, data: Path, out: Path, checkpoint_seconds: float = 1e9) -> VAEReport | PCAPriorReport:
    return pipeline.run(toy_baseline(recipe, data, out, checkpoint_seconds))


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an unbroken run of each kind."""
    folder = tmp_path_factory.mktemp("whole")
    for kind, recipe in RECIPES.items():
        run(recipe, data, folder / kind)
    return folder


def read_report(folder: Path) -> bytes:
    return (folder / "evaluation" / "report.json").read_bytes()


def test_every_bundled_recipe_is_valid_and_named_after_its_file() -> None:
    assert bundled_baselines() == ("cifar10-vae", "fashion-mnist-pca-prior", "fashion-mnist-vae", "mnist-pca-prior")
    assert [load_baseline(name).name for name in bundled_baselines()] == list(bundled_baselines())


def test_mnist_has_the_papers_transformer() -> None:
    recipe = load_baseline("mnist-pca-prior")
    assert isinstance(recipe, PCAPriorRecipe)
    assert recipe.prior.model_dump() == {
        "kind": "transformer",
        "layers": 6,
        "width": 512,
        "feed_forward": 2048,
        "heads": 8,
        "dropout": 0.1,
    }
    assert {stage.epochs for stage in (recipe.stages.pixels, recipe.stages.coefficients)} == {50}
    assert recipe.shape == (1, 28, 28)


@pytest.mark.parametrize("name", ["fashion-mnist-vae", "cifar10-vae"])
def test_both_vaes_train_alike(name: str) -> None:
    recipe = load_baseline(name)
    assert isinstance(recipe, VAERecipe)
    assert recipe.stages.ordered.model_dump(exclude={"truncation"}) == recipe.stages.standard.model_dump()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 'x'", "kind: should be 'vae' or 'pca-prior'"),
        ("kind = 'gan'", "kind: should be 'vae' or 'pca-prior', got 'gan'"),
        ("kind = ['vae']", "kind: should be 'vae' or 'pca-prior', got ['vae']"),
        ("kind = 'vae'", "name: is missing (and 4 more)"),
    ],
)
def test_a_recipe_of_no_known_kind(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(RecipeError) as raised:
        load_baseline(str(path))
    assert str(raised.value) == f"{path}: {said}"


def changed(values: dict[str, Any], place: str, value: object) -> dict[str, Any]:
    first, _, rest = place.partition(".")
    return {**values, first: changed(values[first], rest, value) if rest else value}


@pytest.mark.parametrize(
    ("values", "place", "value", "said"),
    [
        (vae_values(), "codebook", 3, "codebook: is not a field of a recipe"),
        (vae_values(), "network.codebook", 3, "network.codebook: is not a field of a recipe"),
        (vae_values(), "network.strides", [3, 1], "network.strides: strides multiply to 3, which does not divide"),
        (vae_values(), "network.strides", [2], "network: strides has 1 entries for 2 filters"),
        (vae_values(), "network.latents", 2, "network.latents: input should be greater than or equal to 3, got 2"),
        (vae_values(), "network.latents", 65, "network.latents: 65 is more than the 64 numbers of an image"),
        (vae_values(), "stages.standard.kl", -1, "stages.standard.kl: input should be greater than or equal to 0"),
        (vae_values(), "stages.standard.truncation", {}, "stages.standard.truncation: is not a field"),
        (
            vae_values(),
            "media",
            {"type": "audio", "shape": [1, 64], "sample_rate": 8000},
            "media.type: baselines are for images, got 'audio'",
        ),
        (pca_prior_values(), "shrink", 3, "shrink: 3 does not divide the media shape [1, 8, 8]"),
        (pca_prior_values(), "prior.heads", 5, "prior: heads (5) must divide width"),
        (pca_prior_values(), "bins", 1, "bins: input should be greater than or equal to 4, got 1"),
    ],
)
def test_a_malformed_recipe_is_one_sentence(values: dict[str, Any], place: str, value: object, said: str) -> None:
    with pytest.raises(RecipeError) as raised:
        parse_as(KINDS[values["kind"]], changed(values, place, value), "here")
    assert str(raised.value).startswith(f"here: {said}")
    assert "\n" not in str(raised.value)


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(RecipeError, match=r"nowhere: no such recipe file.*cifar10-vae, fashion-mnist-pca-prior"):
        load_baseline("nowhere")


def kill_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process die instead of taking its `step`-th step, counted over both stages."""
    taken = 0
    for task in (VAETask, DensityTask):
        loss = task.loss

        def counted(self: Any, rows: Tensor, seed: int, loss: Any = loss) -> tuple[Tensor, Mapping[str, Tensor]]:
            nonlocal taken
            if taken == step:
                raise Killed
            taken += 1
            result: tuple[Tensor, Mapping[str, Tensor]] = loss(self, rows, seed)
            return result

        monkeypatch.setattr(task, "loss", counted)


@pytest.mark.parametrize("kind", RECIPES)
def test_killed_and_resumed_is_the_same_to_the_last_byte(
    kind: str, whole: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, unbroken = RECIPES[kind], whole / kind
    for step in (7, 18):  # in the first stage, then in the second: each has 20 steps
        with monkeypatch.context() as patch:
            kill_at(step, patch)
            with pytest.raises(Killed):
                run(recipe, data, tmp_path, checkpoint_seconds=0)
        torch.rand(17)  # the global generator is elsewhere in another process
    run(recipe, data, tmp_path)
    written = [path for path in unbroken.rglob("*") if path.is_file() and "logs" not in path.parts]
    assert len(written) > 5
    for path in written:
        assert (tmp_path / path.relative_to(unbroken)).read_bytes() == path.read_bytes(), path.name
    assert not list((tmp_path / "checkpoints").iterdir())


def test_a_complete_run_is_not_trained_again(
    whole: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(whole / "vae", tmp_path / "vae")
    kill_at(0, monkeypatch)
    assert run(RECIPES["vae"], data, tmp_path / "vae") == VAEReport.model_validate_json(read_report(whole / "vae"))


def test_the_report_of_the_vaes(whole: Path) -> None:
    report = VAEReport.model_validate_json(read_report(whole / "vae"))
    assert {path.name for path in (whole / "vae" / "evaluation").glob("*.png")} == {
        "gain-per-latent.png",
        "reconstruction-error.png",
        "divergence-per-latent.png",
    }
    curves = (report.ordered.curve, report.standard.curve, report.pca_clamped)
    assert len({curve.errors[0].value for curve in curves}) == 1  # without latents all give the mean image
    for n in range(1, report.latents + 1):
        ordered, standard, linear = (curve.errors[n].value for curve in curves)
        assert report.below_standard[n - 1].value == pytest.approx(standard - ordered)
        assert report.below_pca[n - 1].value == pytest.approx(linear - ordered)
    claims = {claim.name: claim for claim in report.claims}
    assert claims["more_in_order"].values[0].value == pytest.approx(report.standard.rises - report.ordered.rises)
    assert claims["below_standard"].values == report.below_standard[:-1]
    gained = [gain.value for gain in report.ordered.curve.gains]
    assert claims["gains_fall"].holds == (gained == sorted(gained, reverse=True))


def test_the_report_of_the_priors(whole: Path) -> None:
    report = PCAPriorReport.model_validate_json(read_report(whole / "pca-prior"))
    pictures = (whole / "pca-prior" / "evaluation").glob("*.png")
    assert {path.name for path in pictures} == {"bits-by-position.png", "samples.png"}
    for facts in (report.pixels, report.coefficients):
        assert len(facts.bits_by_position) == 16
        assert sum(facts.bits_by_position) / 16 == pytest.approx(facts.bits_per_dim.value)
    excess = report.coefficients.bits_per_dim.value - report.pixels.bits_per_dim.value
    assert report.excess.value == pytest.approx(excess)
    assert report.claims[0].holds == (excess > 0)
    assert report.shape == (1, 4, 4)
    assert report.reduced[0] == "pictures of [1, 4, 4] instead of [1, 28, 28]"
    assert report.reduced[-1] == "340 training images instead of at least 50,000"


def test_a_folder_keeps_to_its_recipe_and_data(whole: Path, data: Path, tmp_path: Path) -> None:
    recipe = toy_vae()
    shutil.copytree(whole / "vae", tmp_path / "run")
    with pytest.raises(ResumeError, match=r"another recipe, stages\.standard\.kl was 0\.1 and is now 0\.5"):
        run(toy_vae(kl=0.5), data, tmp_path / "run")
    with pytest.raises(ResumeError, match="another recipe, kind was 'vae' and is now 'pca-prior'"):
        run(toy_pca_prior().model_copy(update={"name": recipe.name}), data, tmp_path / "run")
    other = write_idx_folder(tmp_path / "other", toy_split(400, seed=5), toy_split(30, seed=1))
    with pytest.raises(ResumeError, match="other data"):
        run(recipe, other, tmp_path / "run")
    (tmp_path / "run" / "state.json").write_text("{}")
    with pytest.raises(ResumeError, match=r"state\.json: is not the state of a baseline's run"):
        run(recipe, data, tmp_path / "run")


TOML = """
kind = "vae"
name = "mine"
media = { type = "image", shape = [1, 8, 8] }
network = { latents = 3, channels = 2, filters = [2], strides = [2], widths = [] }
data = { validation = 60 }
stages = { standard = { epochs = 1 }, ordered = { epochs = 1 } }
"""


def test_the_command(data: Path, tmp_path: Path) -> None:
    recipe, out = tmp_path / "mine.toml", tmp_path / "run"
    recipe.write_text(TOML)
    arguments = ["baseline", str(recipe), "--data", str(data), "--out", str(out)]
    result = CliRunner().invoke(anytime.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    report = VAEReport.model_validate_json(read_report(out))
    for words in ("standard: epoch 1/1", "Claims", f"{report.ordered.curve.errors[1].value:.3f}", "Written to"):
        assert words in result.output
    with pytest.raises(ResumeError, match="is not empty; choose another --out, or go on with --resume"):
        CliRunner().invoke(anytime.app, arguments, catch_exceptions=False)
    result = CliRunner().invoke(anytime.app, [*arguments, "--resume"], catch_exceptions=False)
    assert "ordered: complete" in result.output
