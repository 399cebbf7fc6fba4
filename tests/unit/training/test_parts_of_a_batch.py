"""A batch computed in parts is the batch computed at once: gradients, codebooks and everything drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from factories import PRIORS
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout, scaled_dot_product_attention
from toy_data import toy_split, write_idx_folder
from toy_recipe import toy_recipe, toy_run

from models.prior import build_prior
from training.checkpoint import load_tensors
from training.context import RunContext
from training.draws import drawn, part_of_batch
from training.gradients import add_gradients
from training.options import CodebookRecipe, Optimisation
from training.processes import ALONE
from training.stages import autoencoder

BATCH = 20


def gradients(network: nn.Module, seen: list[int], parts: int) -> tuple[float, Tensor]:
    """The loss of a batch and its gradient, computed in parts; what each part held is appended to `seen`."""
    draw = torch.Generator().manual_seed(2)
    codes = torch.randint(8, (BATCH, 6), generator=draw)
    labels = torch.randint(4, (BATCH,), generator=draw)

    def loss(rows: Tensor, seed: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        seen.append(len(rows))
        logits = network(codes[rows], labels[rows])
        return cross_entropy(logits.flatten(0, 1), codes[rows].flatten()), {"codes": codes[rows].float().mean()}

    settings = Optimisation.model_construct(epochs=1, accumulate=parts)  # also more parts than a recipe may ask for
    network.zero_grad(set_to_none=True)
    means = add_gradients(network, loss, torch.arange(BATCH), 5, settings, ALONE)
    assert means["codes"].item() == pytest.approx(codes.float().mean().item())
    found = [parameter.grad.flatten() for parameter in network.parameters() if parameter.grad is not None]
    return means["loss"].item(), torch.cat(found)


@pytest.mark.parametrize("kind", PRIORS)
def test_parts_drop_out_what_the_batch_drops_out(kind: str) -> None:
    config = PRIORS[kind].model_copy(update={"dropout": 0.4})
    torch.manual_seed(0)
    network, seen = build_prior(config, 6, 8, 3), list[int]()
    at_once = gradients(network, seen, 1)
    for parts in (3, BATCH, 2 * BATCH):
        loss, gradient = gradients(network, seen, parts)
        assert loss == pytest.approx(at_once[0], rel=1e-5)
        assert torch.allclose(gradient, at_once[1], atol=1e-6)
    assert seen == [BATCH, 6, 7, 7, *[2] * 10, *[2] * 10]
    torch.manual_seed(6)
    network.eval()
    assert gradients(network, seen, 1)[0] != pytest.approx(at_once[0], rel=1e-3), "nothing was dropped out"


def test_attention_is_spelled_out_as_it_is_defined() -> None:
    torch.manual_seed(1)
    query, key, value = torch.randn(BATCH, 4, 6, 8), torch.randn(BATCH, 2, 6, 8), torch.randn(BATCH, 2, 6, 8)
    masks = (None, torch.rand(6, 6) > 0.3, torch.randn(6, 6))
    rows = slice(5, 12)
    for mask in masks:
        for p, scale in ((0.5, None), (0.5, 0.3), (0.0, None)):
            torch.manual_seed(9)
            whole = scaled_dot_product_attention(query, key, value, mask, p, scale=scale, enable_gqa=True)
            with part_of_batch(rows, BATCH, seed=9):
                part = scaled_dot_product_attention(
                    query[rows], key[rows], value[rows], mask, p, scale=scale, enable_gqa=True
                )
            assert torch.allclose(part, whole[rows], atol=1e-6)


def test_dropout_in_place_and_none() -> None:
    torch.manual_seed(3)
    whole = dropout(torch.ones(BATCH, 4), 0.5)
    torch.manual_seed(3)
    x = torch.ones(4, 4)
    with part_of_batch(slice(8, 12), BATCH, seed=3):
        assert dropout(x, 0.5, inplace=True) is x
        assert dropout(x, 0.5, training=False) is x
    assert torch.equal(x, whole[8:12])


def test_draws_are_those_of_the_whole_batch() -> None:
    def sample(count: int) -> Tensor:
        return torch.rand(count, generator=torch.Generator().manual_seed(count))

    assert torch.equal(drawn(4, sample), sample(4))
    with part_of_batch(slice(2, 6), 9, seed=0):
        assert torch.equal(drawn(4, sample), sample(9)[2:6])
    with part_of_batch(slice(0, 9), 9, seed=0):
        assert torch.equal(drawn(9, sample), sample(9))
    with part_of_batch(slice(2, 6), 9, seed=0, compiled=True):
        assert torch.equal(drawn(4, sample), sample(9)[2:6])
    assert torch.equal(drawn(4, sample), sample(4))


def test_parts_of_compiled_networks_drop_out_each_their_own() -> None:
    masks = []
    for start in (0, 8, 8):
        with part_of_batch(slice(start, start + 8), 2 * 8, seed=3, compiled=True):
            masks.append(dropout(torch.ones(8, 8), 0.5))
    assert not torch.equal(masks[0], masks[1])
    assert torch.equal(masks[1], masks[2])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_idx_folder(tmp_path_factory.mktemp("data") / "toy", toy_split(400), toy_split(30, seed=1))


def with_stage(context: RunContext, **options: object) -> RunContext:
    """A run whose first two stages have other options."""
    stages = context.recipe.stages
    assert stages.autoencoder is not None
    assert stages.ordered is not None
    both = {"autoencoder": stages.autoencoder, "ordered": stages.ordered}
    changed = stages.model_copy(update={name: stage.model_copy(update=options) for name, stage in both.items()})
    return replace(context, recipe=context.recipe.model_copy(update={"stages": changed}))


def trained(context: RunContext) -> dict[str, Tensor]:
    autoencoder.run(context, "autoencoder")
    autoencoder.run(context, "ordered")
    return load_tensors(context.weights_path("ordered"))


@pytest.mark.parametrize("learning", ["gradient", "average"])
def test_accumulated_stages_end_with_the_same_weights(data: Path, tmp_path: Path, learning: str) -> None:
    revive = 0.3 if learning == "average" else 0.0
    codebook = CodebookRecipe.model_validate({"learning": learning, "decay": 0.8, "revive": revive})
    runs = (toy_run(data, tmp_path / str(parts), 1e9, codebook) for parts in (1, 2))
    at_once, in_parts = (trained(with_stage(run, accumulate=parts)) for run, parts in zip(runs, (1, 2), strict=True))
    for name, tensor in at_once.items():
        assert torch.allclose(in_parts[name], tensor, rtol=0, atol=1e-5), name


def test_a_batch_has_an_example_for_every_part() -> None:
    with pytest.raises(ValidationError, match="accumulate = 9 parts are more than the batch's 8 examples"):
        Optimisation(epochs=1, batch=8, accumulate=9)
    stage = toy_recipe().stages.prior
    assert (stage.accumulate, stage.precision, stage.compile) == (1, "float32", False)
