"""What every stage of a hierarchical model's run is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.hierarchical.hierarchy import ClassConditionalPrior, Hierarchy
from models.hierarchical.level import Level
from training.checkpoint import load_tensors
from training.context import Run, load_as_shipped
from training.data.dataset import Split
from training.hierarchical.recipe import HierarchicalRecipe
from training.hierarchical.symbols import PictureSymbols, StoredSymbols, Symbols

PRIOR = "prior"
SplitName = Literal["train", "validation"]


def level_stage(number: int) -> str:
    """The name of the stage that trains a level; the first is made of pixels."""
    return f"level-{number}"


def codes_stage(number: int) -> str:
    """The name of the stage that turns the data into a level's codes."""
    return f"codes-{number}"


@dataclass(frozen=True, slots=True)
class HierarchicalContext(Run[HierarchicalRecipe]):
    """A run from data to the bundle of a hierarchical model. Levels are numbered from 1, the one made of pixels."""

    @property
    def numbers(self) -> range:
        """Of all levels, from the pixels upwards."""
        return range(1, len(self.recipe.levels) + 1)

    def codes_path(self, number: int) -> Path:
        """Where a level's codes of the training and validation images lie."""
        return self.directory / f"{codes_stage(number)}.safetensors"

    def new_level(self, number: int) -> Level:
        """An untrained level, on the run's device."""
        config = self.recipe.hierarchy
        return Level(config.levels[number - 1], config.grids[number - 1], ordinal=number == 1).to(self.device)

    def level(self, number: int) -> Level:
        """A trained level in eval mode, its weights rounded through half precision as they ship."""
        return load_as_shipped(self.new_level(number), self.weights_path(level_stage(number)))

    def new_prior(self) -> ClassConditionalPrior:
        """An untrained prior, on the run's device."""
        grid = self.recipe.hierarchy.grids[-1]
        return ClassConditionalPrior(self.recipe.prior, grid, len(self.recipe.labels)).to(self.device)

    def hierarchy(self, prior: ClassConditionalPrior | None = None) -> Hierarchy:
        """The trained levels as they ship, in eval mode, and a prior: the trained one unless another is given."""
        hierarchy = Hierarchy(self.recipe.hierarchy, len(self.recipe.labels)).to(self.device)
        for number, level in zip(self.numbers, hierarchy.levels, strict=True):
            load_as_shipped(level, self.weights_path(level_stage(number)))
        hierarchy.prior = prior or load_as_shipped(hierarchy.prior, self.weights_path(PRIOR))
        return hierarchy

    def symbols(self, number: int, split: SplitName) -> Symbols:
        """What a level, or the prior as the one above all, is made of: pixels, or the codes of the level below."""
        if number > 1:
            return StoredSymbols(load_tensors(self.codes_path(number - 1))[split])
        pictures: Split = getattr(self.dataset, split)
        return PictureSymbols(pictures, self.recipe.hierarchy.pixels)
