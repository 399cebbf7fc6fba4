from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.config import AutoencoderConfig, LSTMConfig, PixelCNNConfig, PriorConfig, TransformerConfig
from models.errors import RecipeError
from models.hierarchical.named import PAPER
from training.recipe import BUNDLED, Recipe, bundled_recipes, load_any_recipe, load_recipe, parse_recipe

SMOKE = (BUNDLED / "smoke.toml").read_text()


def test_every_bundled_recipe_is_valid_and_named_after_its_file() -> None:
    paper, studies = ("cifar10", "mnist", "vctk"), ("study-emoji", "study-fashion-mnist")
    trained = ("emoji", "fashion-mnist", "fashion-mnist-three", "predictability")
    hierarchical = (*PAPER, *(f"hierarchical-{name}" for name in trained))
    ours = ("emoji", "fashion-mnist", "fashion-mnist-modern", "photos", "refined-fashion-mnist", "smoke", "speech")
    assert bundled_recipes() == tuple(sorted((*paper, *studies, *ours, *hierarchical)))
    assert [load_any_recipe(name).name for name in bundled_recipes()] == list(bundled_recipes())


def test_mnist_has_the_papers_numbers() -> None:
    recipe = load_recipe("mnist")
    assert isinstance(recipe.autoencoder, AutoencoderConfig)
    assert (recipe.autoencoder.codes, recipe.autoencoder.codebook) == (16, 126)
    assert (recipe.autoencoder.filters, recipe.autoencoder.strides) == ((4, 4, 3), (2, 2, 1))
    assert recipe.autoencoder.code_dim(recipe.media) == 49
    assert recipe.prior == TransformerConfig(layers=6, width=512, feed_forward=2048, heads=8, dropout=0.1)
    stages = (recipe.stages.autoencoder, recipe.stages.ordered, recipe.stages.prior)
    assert [stage.epochs for stage in stages if stage] == [200, 200, 50]
    assert [stage.learning_rate for stage in stages if stage] == [1e-3, 1e-3, 2e-3]
    assert {stage.batch for stage in stages if stage} == {128}


def test_cifar10_has_the_papers_numbers() -> None:
    recipe, mnist = load_recipe("cifar10"), load_recipe("mnist")
    assert recipe.media.shape == (3, 32, 32)
    assert isinstance(recipe.autoencoder, AutoencoderConfig)
    assert (recipe.autoencoder.codes, recipe.autoencoder.codebook) == (70, 1000)
    assert (recipe.autoencoder.filters, recipe.autoencoder.strides) == ((4, 4, 4, 3), (2, 2, 2, 1))
    assert recipe.autoencoder.code_dim(recipe.media) == 16
    assert (recipe.prior, recipe.stages) == (mnist.prior, mnist.stages)


def test_vctk_has_the_papers_numbers() -> None:
    recipe, mnist = load_recipe("vctk"), load_recipe("mnist")
    assert (recipe.media.shape, recipe.media.sample_rate) == ((1, 15360), 16000)
    assert (recipe.autoencoder.codes, recipe.autoencoder.codebook) == (512, 128)
    assert isinstance(recipe.autoencoder, AutoencoderConfig)
    assert recipe.autoencoder.filters == (25,) * 5
    assert recipe.autoencoder.code_dim(recipe.media) == 60
    assert recipe.prior == mnist.prior
    stages = (recipe.stages.autoencoder, recipe.stages.ordered, recipe.stages.prior)
    assert [stage.epochs for stage in stages if stage] == [20, 20, 50]
    assert [stage.learning_rate for stage in stages if stage] == [2e-4, 2e-4, 2e-3]
    assert [stage.batch for stage in stages if stage] == [8, 8, 128]


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("en_US_f_Allison/digits/1.wav", "en_US_f_Allison"),
        ("ru_RU_f_IvrvoiceRU/beep.wav", "ru_RU_f_IvrvoiceRU"),
        ("en_US_f_Allison/silence/1.wav", None),
        ("elsewhere/1.wav", None),
    ],
)
def test_speech_is_sorted_by_voice_without_the_silence(path: str, label: str | None) -> None:
    pattern = load_recipe("speech").data.speaker
    assert pattern is not None
    match = re.search(pattern, path)
    assert (match[1] if match else None) == label


def test_a_recipe_is_found_by_path(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SMOKE.replace('name = "smoke"', 'name = "mine"'))
    assert load_recipe(str(tmp_path / "mine.toml")).name == "mine"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("codes = 8", "codes = 0", "autoencoder.codes: input should be greater than 0, got 0"),
        ("codes = 8", "codse = 8", "autoencoder.codes: is missing (and 1 more)"),
        ("codebook = 32", "codebook = 32\nbooks = 2", "autoencoder.books: is not a field of a recipe"),
        ("heads = 4", "heads = 5", "prior: heads (5) must divide width (64)"),
        (
            "[stages.ordered]",
            "[stages.ordered]\nspectral = 1.0",
            "stages.ordered.spectral: compares spectrograms of audio, and media.type is image; leave it out",
        ),
        (
            "strides = [2, 2, 1]",
            "strides = [3, 2, 1]",
            "autoencoder.strides: strides multiply to 6, which does not divide",
        ),
        ("widths = [8, 16]", "widths = [8]", "autoencoder: widths needs 2 entries"),
        ("shape = [1, 28, 28]", "shape = [28, 28]", "media: image needs a shape of 3 numbers, got [28, 28]"),
        ('"trouser"', '"dress"', "labels: labels must be distinct"),
        (
            'schedule = "cosine"',
            'schedule = "linear"',
            "stages.autoencoder.schedule: input should be 'constant' or 'cosine'",
        ),
        (
            "learning_rate = 2e-3",
            "learning_rate = inf",
            "stages.autoencoder.learning_rate: input should be a finite number",
        ),
        ('name = "smoke"', 'name = "Smoke test"', "name: string should match pattern"),
        (
            "classifier_epochs = 1",
            "fractions = [0.5, 0.2, 1]",
            "evaluate.fractions: must ascend from above 0 to 1, the last of them",
        ),
        (
            "classifier_epochs = 1",
            "fractions = [0.5, 0.9]",
            "evaluate.fractions: must ascend from above 0 to 1, the last of them",
        ),
        ("[data]", "[data", "is not valid TOML"),
    ],
)
def test_a_malformed_recipe_is_one_sentence(tmp_path: Path, before: str, after: str, said: str) -> None:
    path = tmp_path / "bad.toml"
    assert before in SMOKE
    path.write_text(SMOKE.replace(before, after))
    with pytest.raises(RecipeError) as raised:
        load_recipe(str(path))
    assert str(raised.value).startswith(f"{path}: {said}")
    assert "\n" not in str(raised.value)


def with_prior(section: str) -> dict[str, Any]:
    """The smoke recipe with another section `[prior]`."""
    return {**tomllib.loads(SMOKE), **tomllib.loads(f"[prior]\n{section}")}


@pytest.mark.parametrize(
    ("section", "prior"),
    [
        ('kind = "lstm"\nlayers = 2\nwidth = 64', LSTMConfig(layers=2, width=64)),
        ('kind = "pixelcnn"\nlayers = 3\nwidth = 64\nfilter = 5', PixelCNNConfig(layers=3, width=64, filter=5)),
        (
            "layers = 1\nwidth = 8\nfeed_forward = 16\nheads = 2",
            TransformerConfig(layers=1, width=8, feed_forward=16, heads=2),
        ),
    ],
)
def test_a_recipe_chooses_the_kind_of_prior(section: str, prior: PriorConfig) -> None:
    recipe = parse_recipe(with_prior(section), "here")
    assert recipe.prior == prior
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('kind = "lstm"\nlayers = 2\nwidth = 64\nheads = 4', "prior.heads: is not a field of a recipe"),
        ('kind = "pixelcnn"\nwidth = 64', "prior.layers: is missing"),
        (
            'kind = "pixelcnn"\nlayers = 1\nwidth = 8\nfilter = "big"',
            "prior.filter: input should be a valid integer, unable to parse string as an integer, got 'big'",
        ),
        ('kind = "pixelcnn"\nlayers = 1\nwidth = 7', "prior: width (7) must be even"),
        ('kind = "gru"\nlayers = 2', "prior: kind should be 'transformer', 'lstm' or 'pixelcnn'"),
        ("kind = [1]", "prior: kind should be 'transformer', 'lstm' or 'pixelcnn'"),
    ],
)
def test_what_a_kind_of_prior_does_not_have_is_named(section: str, said: str) -> None:
    with pytest.raises(RecipeError) as raised:
        parse_recipe(with_prior(section), "here")
    assert str(raised.value) == f"here: {said}"


def test_a_name_with_a_line_break_does_not_break_the_sentence() -> None:
    with pytest.raises(RecipeError, match=r"^here: codebook\.'\\n': is not a field of a recipe$"):
        parse_recipe({**tomllib.loads(SMOKE), "codebook": {"\n": 1}}, "here")


def test_a_field_of_the_priors_stage_is_spelled_in_full() -> None:
    values = tomllib.loads(SMOKE)
    values["stages"]["prior"]["lstm"] = 1
    with pytest.raises(RecipeError, match=r"here: stages\.prior\.lstm: is not a field of a recipe"):
        parse_recipe(values, "here")


def test_a_recipe_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="is not UTF-8 text"):
        load_recipe(str(tmp_path / "binary.toml"))


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(
        RecipeError,
        match=r"nowhere: no such recipe file.*cifar10, emoji, fashion-mnist, fashion-mnist-modern, hierarchical-emoji",
    ):
        load_recipe("nowhere")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(section=st.sampled_from([*Recipe.model_fields]), value=json_values)
def test_whatever_a_section_holds_the_answer_is_a_recipe_or_one_sentence(section: str, value: object) -> None:
    values = {**tomllib.loads(SMOKE), section: value}
    try:
        recipe = parse_recipe(values, "here")
    except RecipeError as error:
        said = str(error)
    else:
        said = f"here: {recipe.name}"
    assert said.startswith("here: ")
    assert "\n" not in said
