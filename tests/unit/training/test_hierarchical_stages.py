"""The stages of a hierarchical model: what each learns from, what reaches which network, and that crops are parts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from toy_data import toy_split, write_idx_folder
from toy_hierarchy import toy_hierarchy_run, toy_values

from models.errors import AnytimeError
from models.hierarchical.config import Grid
from training.averaging import WeightAverage
from training.checkpoint import load_tensors, save_checkpoint
from training.codebook import MovingCodebook, MovingCodebooks
from training.gradients import add_gradients
from training.hierarchical import codes
from training.hierarchical.context import HierarchicalContext, level_stage
from training.hierarchical.level import LevelTask
from training.hierarchical.pipeline import stages_of
from training.hierarchical.recipe import CodebooksRecipe
from training.hierarchical.symbols import PictureSymbols, packed, pictures
from training.processes import ALONE
from training.seeds import derive_seed

SEED = 5


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_idx_folder(tmp_path_factory.mktemp("data"), toy_split(200), toy_split(60, seed=1))


@pytest.fixture(scope="module")
def untrained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> HierarchicalContext:
    """A run whose levels were given weights without training, and whose codes are stored."""
    context = toy_hierarchy_run(data, tmp_path_factory.mktemp("run"))
    for number in context.numbers:
        task = LevelTask(context, number)
        torch.manual_seed(number)
        task.start()
        save_checkpoint(context.weights_path(level_stage(number)), task.network.state_dict(), {})
        codes.run(context, number)
    return context


def gradients(network: nn.Module, *parts: str) -> dict[str, Tensor]:
    found = {
        name: parameter.grad.clone()
        for name, parameter in network.named_parameters()
        if name.startswith(parts) and parameter.grad is not None
    }
    assert found
    return found


def one_step(task: LevelTask, rows: Tensor) -> None:
    task.network.zero_grad(set_to_none=True)
    loss, _ = task.loss(rows, SEED)
    torch.autograd.backward(loss)


def test_levels_come_one_after_another_and_the_prior_last(untrained: HierarchicalContext) -> None:
    stages = stages_of(untrained.recipe)
    assert [stage.name for stage in stages] == [
        "level-1", "codes-1", "level-2", "codes-2", "prior", "evaluate", "export",
    ]  # fmt: skip
    assert [stage.name for stage in stages if stage.trained] == ["level-1", "level-2", "prior"]


def test_a_levels_codes_are_what_the_next_learns_from(untrained: HierarchicalContext) -> None:
    pixels = untrained.symbols(1, "train").batch(slice(20), untrained.device)
    assert torch.equal(
        pictures(pixels, untrained.recipe.hierarchy.pixels).float().div(255).mul(7).round().long(), pixels
    )
    for number in untrained.numbers:
        level = untrained.level(number)
        x = untrained.symbols(number, "train").batch(slice(20), untrained.device)
        above = untrained.symbols(number + 1, "train")
        assert len(above) == len(untrained.dataset.train)
        assert torch.equal(above.batch(slice(20), untrained.device), level.encode(x))
    hierarchy = untrained.hierarchy(untrained.new_prior())
    assert torch.equal(hierarchy.encode(pixels)[2], untrained.symbols(3, "train").batch(slice(20), untrained.device))


@pytest.mark.parametrize("number", [1, 2])
def test_nothing_of_the_autoregressive_decoder_reaches_what_codes_are_made_by(
    untrained: HierarchicalContext, number: int
) -> None:
    """In the stage itself: another decoder changes its own gradient, and nobody else's to the bit."""
    task = LevelTask(untrained, number)
    torch.manual_seed(0)
    task.start()
    task.network.train()
    rows = torch.arange(16)
    others = ("encoder", "auxiliary", "head", *(("teacher",) if number == 2 else ()))
    one_step(task, rows)
    before = gradients(task.network, *others), gradients(task.network, "local", "modulator")
    for part in (task.network.local, task.network.modulator):
        for parameter in part.parameters():
            nn.init.normal_(parameter, std=0.3)
    one_step(task, rows)
    for name, gradient in gradients(task.network, *others).items():
        assert torch.equal(gradient, before[0][name]), name
    own = gradients(task.network, "local", "modulator")
    assert not all(torch.equal(gradient, before[1][name]) for name, gradient in own.items())
    assert all(quantiser.codebook.grad is None for quantiser in task.network.bottleneck.quantisers)


def test_crops_are_parts_that_begin_where_codes_do(untrained: HierarchicalContext) -> None:
    task = LevelTask(untrained, 1)
    x = torch.arange(64).view(1, 1, 8, 8).expand(300, 1, 8, 8)
    (cut,) = task.crops.cut(SEED, x)
    assert cut.shape == (300, 1, 4, 4)
    corners = cut[:, 0, 0, 0]
    rows, columns = corners // 8, corners % 8
    assert set(rows.tolist()) == set(columns.tolist()) == {0, 2, 4}
    for image, row, column in zip(cut, rows, columns, strict=True):
        assert torch.equal(image[0], x[0, 0, row : row + 4, column : column + 4])


@pytest.mark.parametrize("number", [1, 2])
def test_a_batch_in_parts_teaches_what_the_whole_does(untrained: HierarchicalContext, number: int) -> None:
    found = []
    for parts in (1, 3):
        task = LevelTask(untrained, number)
        torch.manual_seed(0)
        task.start()
        task.network.train()
        settings = task.settings.model_copy(update={"accumulate": parts})
        add_gradients(task.network, task.loss, torch.arange(30), SEED, settings, ALONE)
        task.memory.learn(SEED)
        found.append((gradients(task.network, ""), dict(task.memory.state_dict())))
    for whole, in_parts in zip(*found, strict=True):
        assert whole.keys() == in_parts.keys()
        for name, tensor in whole.items():
            torch.testing.assert_close(in_parts[name], tensor, rtol=1e-3, atol=1e-5)


def test_too_few_images_for_a_codebook_are_refused(data: Path, tmp_path: Path) -> None:
    values = toy_values()
    values["levels"][0]["codes"]["bits"] = 16
    context = toy_hierarchy_run(data, tmp_path, values=values)
    with pytest.raises(AnytimeError, match=r"140 training images of 16 codes .* 65536 entries; lower levels\.0\.codes"):
        LevelTask(context, 1).start()


def test_each_channel_has_a_moving_codebook_of_its_own() -> None:
    torch.manual_seed(0)
    recipe = CodebooksRecipe(decay=0.9)
    books = [torch.randn(4, 2) for _ in range(2)]
    alone = [book.clone() for book in books]
    together = MovingCodebooks(books, recipe)
    apart = [MovingCodebook(book, recipe) for book in alone]
    for step in range(3):
        observed = [(torch.randn(20, 2), torch.randint(3, (20,))) for _ in books]
        together.observe(observed)
        together.learn(step)
        for index, (codebook, (vectors, indices)) in enumerate(zip(apart, observed, strict=True)):
            codebook.observe(vectors, indices)
            codebook.learn(derive_seed(step, "codebook", index))
    for book, expected in zip(books, alone, strict=True):
        assert torch.equal(book, expected)


def test_an_average_that_warms_up_soon_forgets_the_first_weights() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = WeightAverage(network, decay=0.9999, warmup=True)
    expected = None
    for updates, value in enumerate((100.0, 8.0, -2.0, 4.0)):
        nn.init.constant_(network.weight, value)
        average.update()
        share = (1 + updates) / (10 + updates)
        expected = value if expected is None else share * expected + (1 - share) * value
    with average.applied():
        assert network.weight.item() == pytest.approx(expected)
    for _ in range(200):
        average.update()
    with average.applied():
        assert network.weight.item() == pytest.approx(4.0, abs=1e-3)


@pytest.mark.parametrize("bits", [1, 5, 8])
def test_pixels_are_rounded_to_the_nearest_of_the_values_that_are_left(bits: int) -> None:
    split = toy_split(2)
    split.images[0].view(-1)[:] = torch.arange(64) * 4
    grid = Grid(channels=1, height=8, width=8, bits=bits)
    symbols = PictureSymbols(split, grid).batch(slice(None), torch.device("cpu"))
    assert symbols.min() >= 0
    assert symbols.max() < grid.values
    off = (pictures(symbols, grid).int() - split.images.int()).abs().max().item()
    assert off <= 127.5 / (grid.values - 1) + 0.5
    assert bits < 8 or off == 0


@pytest.mark.parametrize(("bits", "kept"), [(8, torch.uint8), (9, torch.int16), (16, torch.int32)])
def test_codes_are_stored_in_the_smallest_type_that_holds_them(bits: int, kept: torch.dtype) -> None:
    grid = Grid(channels=1, height=1, width=2, bits=bits)
    symbols = torch.tensor([[[[0, grid.values - 1]]]])
    stored = packed(symbols, grid)
    assert stored.dtype == kept
    assert torch.equal(stored.long(), symbols)


def test_the_codes_of_both_splits_are_stored(untrained: HierarchicalContext) -> None:
    stored = load_tensors(untrained.codes_path(1))
    shapes = {name: tuple(tensor.shape) for name, tensor in stored.items()}
    assert shapes == {"train": (140, 2, 4, 4), "validation": (60, 2, 4, 4)}
