"""Recipes of refined models. Imports no torch, so that a recipe is read in milliseconds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from models.bundle.manifest import BundleName
from models.config import Frozen, Media, PositiveInt, SamplingDefaults
from models.hierarchical.config import Grid
from models.refined.config import RefinerConfig
from training.data.options import DataRecipe
from training.hierarchical.recipe import POLYAK, HierarchicalEvaluation
from training.options import Optimisation, Share

KIND = "refined"


class RefinerStage(Optimisation):
    """The stage that trains the refiner.

    Attributes:
        crop: edge of the squares that are cut out of pictures at random for training; None takes the whole. Validation
            always does.
    """

    average: Share | None = POLYAK
    average_warmup: bool = True
    crop: PositiveInt | None = None


class RefinedRecipe(Frozen):
    """One experiment, from the bundle of an ordered model and the data that it was trained on to one that is refined.

    Attributes:
        name: also the bundle's name.
        seed: all randomness of the run follows from it.
        base: the ordered model's bundle: its folder, or the name of one that comes with the package.
        media, labels, data: those of the base's recipe, so that what it has never seen stays so.
        sampling: of codes; see `RefinerConfig.relative_temperature` for pixels.
    """

    kind: Literal["refined"] = "refined"
    name: BundleName
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    base: str
    media: Media
    labels: tuple[str, ...] = ()
    refiner: RefinerConfig
    sampling: SamplingDefaults = SamplingDefaults()
    data: DataRecipe
    stage: RefinerStage
    evaluate: HierarchicalEvaluation = HierarchicalEvaluation()

    @property
    def pixels(self) -> Grid:
        """What is drawn."""
        return self.refiner.pixels(self.media)

    @field_validator("labels")
    @classmethod
    def _labels_are_distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) != len(labels):
            raise ValueError("labels must be distinct")
        return labels

    @model_validator(mode="after")
    def _fits_together(self) -> RefinedRecipe:
        pixels, crop = self.pixels, self.stage.crop
        if crop is not None and crop > min(pixels.height, pixels.width):
            raise ValueError(f"stage.crop: {crop} is larger than a picture of {pixels.height} x {pixels.width}")
        return self
