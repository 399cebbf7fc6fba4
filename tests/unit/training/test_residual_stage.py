"""The stages that train the residual autoencoder."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from factories import RESIDUAL
from toy_data import toy_split, write_idx_folder
from toy_recipe import toy_run

from models.config import ResidualConfig
from models.errors import RecipeError
from models.residual import ResidualAutoencoder
from training import pipeline
from training.checkpoint import load_checkpoint, load_tensors, save_checkpoint
from training.context import RunContext
from training.evaluation.pca import mean_image
from training.evaluation.reconstruction import errors_by_length
from training.options import CodebookRecipe, Truncation
from training.random_bundle import write_random_bundle
from training.recipe import BUNDLED, Recipe, load_recipe, parse_recipe
from training.stages import autoencoder
from training.stages.autoencoder import ResidualTask

SMOKE = (BUNDLED / "smoke.toml").read_text()
SECTION = 'kind = "residual"\ncodes = 8\ncodebook = 32\ndepth = 8\nwidth = 16\nhidden = 16'


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    """A run that orders the codes of a residual autoencoder from the start."""
    data = write_idx_folder(tmp_path / "data", toy_split(400), toy_split(30, seed=1))
    run = toy_run(data, tmp_path / "run", checkpoint_seconds=1e9, autoencoder=RESIDUAL)
    return replace(run, recipe=with_stages(run.recipe, autoencoder=None))


def with_stages(recipe: Recipe, **changes: Any) -> Recipe:
    return recipe.model_copy(update={"stages": recipe.stages.model_copy(update=changes)})


def truncated(context: RunContext, truncation: Truncation) -> RunContext:
    ordered = context.recipe.stages.ordered
    assert ordered is not None
    changed = ordered.model_copy(update={"truncation": truncation})
    return replace(context, recipe=with_stages(context.recipe, ordered=changed))


def test_the_loss_is_the_expectation_over_the_truncation_index(context: RunContext) -> None:
    task, rows = ResidualTask(context, "ordered"), torch.arange(50)
    task.start()
    errors = task.network.errors(context.dataset.train.batch(rows, context.device)).mean(0)
    assert task.loss(rows, seed=1)[0].item() == pytest.approx(errors.mean().item(), rel=1e-5)
    geometric = ResidualTask(truncated(context, Truncation(law="geometric", rate=0.5)), "ordered")
    geometric.network = task.network
    shares = 0.5 ** torch.arange(1, 7)
    expected = (errors * shares / shares.sum()).sum().item()
    assert geometric.loss(rows, seed=1)[0].item() == pytest.approx(expected, rel=1e-5)
    # Held out, every length counts equally whatever was trained on.
    assert geometric.validate() == task.validate()


def test_the_full_length_stage_looks_at_complete_codes_only(tmp_path: Path) -> None:
    data = write_idx_folder(tmp_path / "data", toy_split(400), toy_split(30, seed=1))
    context = toy_run(data, tmp_path / "run", autoencoder=RESIDUAL)
    task, rows = ResidualTask(context, "autoencoder"), torch.arange(50)
    task.start()
    errors = task.network.errors(context.dataset.train.batch(rows, context.device)).mean(0)
    assert task.loss(rows, seed=1)[0].item() == pytest.approx(errors[-1].item(), rel=1e-5)
    values = task.validate()
    assert values["reconstruction"] == pytest.approx(values["from all codes"], rel=1e-5)
    torch.nn.init.normal_(task.network.mean)
    save_checkpoint(context.weights_path("autoencoder"), task.network.state_dict(), {})
    ordered = ResidualTask(context, "ordered")
    ordered.start()
    assert torch.equal(ordered.network.mean, task.network.mean)


def test_it_learns_and_ships_what_it_has_learnt(context: RunContext) -> None:
    fresh = ResidualTask(context, "ordered")
    fresh.start()
    before = fresh.validate()["reconstruction"]
    autoencoder.run(context, "ordered")
    _, facts = load_checkpoint(context.weights_path("ordered"))
    assert facts["loss"] < 0.9 * before
    network = context.autoencoder()
    assert isinstance(network, ResidualAutoencoder)
    learnt = load_tensors(context.weights_path("ordered"))
    assert torch.equal(network.readout, learnt["readout"].half().float())
    constant = mean_image(context.dataset.train.images)
    errors = errors_by_length(network, context.dataset.validation, constant, context.device).mean(0)
    assert (errors.diff() < 0).all()
    assert errors[1:].mean().item() <= 1.001 * facts["loss"]  # clamped, and rounded as it ships


def test_a_run_without_the_full_length_stage_leaves_it_out(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def note(stage: str, _: RunContext) -> None:
        ran.append(stage)

    for stage in pipeline.STAGE_FUNCTIONS:
        monkeypatch.setitem(pipeline.STAGE_FUNCTIONS, stage, partial(note, stage))
    pipeline.run(context)
    assert ran == ["ordered", "codes", "prior", "evaluate", "export"]
    with pytest.raises(ValueError, match="no stage that trains the autoencoder at full length"):
        ResidualTask(context, "autoencoder")


def test_a_random_bundle_of_it_fills_the_range_of_the_media(tmp_path: Path) -> None:
    from models.runtime import load_model
    from models.runtime.protocol import SampleRequest

    write_random_bundle(tmp_path / "random", parse_recipe(with_section(SECTION), "here"), 0)
    _, model = load_model(tmp_path / "random", "cpu", slots=4)
    for slot in range(4):
        model.begin(slot, SampleRequest(seed=slot))
    model.step(range(4), 8)
    media = model.decode(range(4)).media
    assert 0.1 < media.std() < 0.4
    assert abs(media.mean() - 0.5) < 0.2


def with_section(section: str) -> dict[str, Any]:
    """The smoke recipe with another section `[autoencoder]`."""
    return {**tomllib.loads(SMOKE), **tomllib.loads(f"[autoencoder]\n{section}")}


def test_a_recipe_chooses_the_kind_of_autoencoder() -> None:
    recipe = parse_recipe(with_section(SECTION), "here")
    assert recipe.autoencoder == ResidualConfig(kind="residual", codes=8, codebook=32, depth=8, width=16, hidden=16)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    values = tomllib.loads(SMOKE)
    values["autoencoder"]["kind"] = "convolutional"
    assert parse_recipe(values, "here") == load_recipe("smoke")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (f"{SECTION}\nfilters = [3]", "autoencoder.filters: is not a field of a recipe"),
        (SECTION.replace("depth = 8\n", ""), "autoencoder.depth: is missing"),
        (SECTION.replace("depth = 8", "depth = 17"), "autoencoder: depth (17) must not exceed width (16)"),
        (
            SECTION.replace("width = 16", "width = 785"),
            "autoencoder.width: is 785, more than the 784 numbers of a sample",
        ),
        (SECTION.replace("residual", "dense"), "autoencoder: kind should be 'convolutional' or 'residual'"),
    ],
)
def test_what_a_kind_of_autoencoder_does_not_have_is_named(section: str, said: str) -> None:
    with pytest.raises(RecipeError) as raised:
        parse_recipe(with_section(section), "here")
    assert str(raised.value) == f"here: {said}"


NOT_FOR_IT = {"commitment": 1.0, "spectral": 1.0, "precision": "bfloat16", "compile": True}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"codebook": {"estimator": "rotation"}}, "codebook"),
        *(({"ordered": {name: value}}, f"stages.ordered.{name}") for name, value in NOT_FOR_IT.items()),
    ],
)
def test_what_steers_a_quantiser_is_refused(change: dict[str, Any], field: str) -> None:
    values = with_section(SECTION)
    values["codebook"] = change.get("codebook", {})
    values["stages"]["ordered"] |= change.get("ordered", {})
    with pytest.raises(RecipeError) as raised:
        parse_recipe(values, "here")
    assert str(raised.value) == f'here: {field}: is for autoencoders of kind "convolutional"; leave it out'
    assert CodebookRecipe() == load_recipe("smoke").codebook


def test_the_modern_recipe_differs_from_the_faithful_one_in_the_autoencoder_alone() -> None:
    modern, faithful = load_recipe("fashion-mnist-modern"), load_recipe("fashion-mnist")
    assert isinstance(modern.autoencoder, ResidualConfig)
    for part in ("media", "labels", "prior", "data", "sampling", "evaluate"):
        assert getattr(modern, part) == getattr(faithful, part)
    shapes = [(recipe.autoencoder.codes, recipe.autoencoder.codebook) for recipe in (modern, faithful)]
    assert shapes[0] == shapes[1]
    assert modern.stages.prior == faithful.stages.prior


def test_only_this_kind_can_be_ordered_from_the_start() -> None:
    values = with_section(SECTION)
    del values["stages"]["autoencoder"]
    assert parse_recipe(values, "here").stages.autoencoder is None
    convolutional = tomllib.loads(SMOKE)
    del convolutional["stages"]["autoencoder"]
    with pytest.raises(RecipeError, match=r"here: stages\.autoencoder: is missing"):
        parse_recipe(convolutional, "here")
    del values["stages"]["ordered"]
    with pytest.raises(RecipeError, match="here: stages: needs a section autoencoder or ordered, or both"):
        parse_recipe(values, "here")
