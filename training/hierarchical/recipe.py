"""Recipes of hierarchical models. Imports no torch, so that a recipe is read in milliseconds."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from models.bundle.manifest import BundleName
from models.config import Frozen, Media, PositiveInt, SamplingDefaults, field_path
from models.hierarchical.config import Bits, GatedPixelCNNConfig, Grid, HierarchyConfig, LevelConfig
from models.hierarchical.named import NAMED
from models.suggestions import did_you_mean
from training.data.options import DataRecipe
from training.options import CodebookRecipe, NonNegativeFloat, Optimisation, PriorStage, Share

KIND = "hierarchical"
# Appendix A: "We use Polyak averaging for all models with a decay constant of 0.9999."
POLYAK = 0.9999
MOST_BITS = 8  # of a pixel's channel, as files have them
_SIZES = ("bits", "levels", "prior")


class CodebooksRecipe(CodebookRecipe):
    """How the codebooks learn, each by itself: as moving averages of what chose their entries (section 2.2)."""

    learning: Literal["average"] = "average"
    revive: Annotated[float, Field(ge=0, lt=1)] = 0.05


class LevelStage(Optimisation):
    """A stage that trains a level: encoder, auxiliary and autoregressive decoder, and with masks the teacher.

    Attributes:
        commitment: beta of section 2.2, 0.25 in the paper that it refers to for the bottleneck.
        crop: edge of the squares that are cut out of the level's grid at random for training, whole codes apart; None
            takes the whole. Validation always does.
    """

    average: Share | None = POLYAK
    average_warmup: bool = True
    commitment: NonNegativeFloat = 0.25
    crop: PositiveInt | None = None

    @field_validator("compile")
    @classmethod
    def _is_not_compiled(cls, compile: bool) -> bool:  # noqa: A002 - the field's name
        if compile:
            raise ValueError("is not for levels, whose networks are called one by one; leave it out")
        return compile


class HierarchicalPriorStage(PriorStage):
    """The stage that trains the prior over the topmost codes."""

    average: Share | None = POLYAK
    average_warmup: bool = True


class HierarchicalStages(Frozen):
    """The trained stages: one per level, from the pixels upwards, and the prior's."""

    levels: tuple[LevelStage, ...]
    prior: HierarchicalPriorStage


class HierarchicalEvaluation(Frozen):
    """How much the evaluation measures.

    Attributes:
        images: held-out test images for bits per dimension and as what distances are to; None takes all.
        reconstructions: of those, how many are sampled again from their topmost codes.
        samples_per_class: samples drawn, times the number of labels; each label as often as among the test images.
        classifier_epochs: epochs of the classifier whose features and verdicts judge the samples.
        temperature: at which reconstructions are sampled (0.99 in figures 6 and 7).
    """

    images: PositiveInt | None = None
    reconstructions: Annotated[int, Field(ge=2)] = 200
    samples_per_class: PositiveInt = 100
    classifier_epochs: PositiveInt = 10
    temperature: Annotated[float, Field(gt=0, le=10)] = 0.99


class HierarchicalRecipe(Frozen):
    """One experiment, from data to the bundle of a hierarchical model.

    Sizes are either spelt out, as `bits`, `levels` and `prior`, or those of a named model, `model`, which stand in
    their place once the recipe is read.

    Attributes:
        name: also the bundle's name.
        seed: all randomness of the run follows from it.
        media: images; what a sample is.
        labels: the data set's classes, in the order of their indices; none takes the names that the data has.
        bits: of a pixel's channel. With fewer than 8 its 256 values are rounded to as many as are left, evenly spaced.
        levels: from the pixels upwards.
        sampling: for all grids alike.
    """

    kind: Literal["hierarchical"] = "hierarchical"
    name: BundleName
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    media: Media
    labels: tuple[str, ...] = ()
    bits: Annotated[Bits, Field(le=MOST_BITS)]
    levels: Annotated[tuple[LevelConfig, ...], Field(min_length=1)]
    prior: GatedPixelCNNConfig
    codebook: CodebooksRecipe = CodebooksRecipe()
    sampling: SamplingDefaults = SamplingDefaults()
    data: DataRecipe
    stages: HierarchicalStages
    evaluate: HierarchicalEvaluation = HierarchicalEvaluation()

    @cached_property
    def hierarchy(self) -> HierarchyConfig:
        """The model's sizes."""
        return HierarchyConfig(pixels=_pixels(self.media, self.bits), levels=self.levels, prior=self.prior)

    @model_validator(mode="before")
    @classmethod
    def _takes_the_sizes_of_a_named_model(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "model" not in values:
            return values
        name = values["model"]
        if not isinstance(name, str) or name not in NAMED:
            near = did_you_mean(name, NAMED) if isinstance(name, str) else ""
            raise ValueError(f"model: there is no {name!r}{near}; there are {', '.join(NAMED)}")
        twice = [field for field in _SIZES if field in values]
        if twice:
            raise ValueError(f"{twice[0]}: is given by model = {name!r}; leave out one of the two")
        config = NAMED[name]
        shape = [config.pixels.channels, config.pixels.height, config.pixels.width]
        media = values.get("media")
        if isinstance(media, dict) and list(media.get("shape", shape)) != shape:
            raise ValueError(f"media.shape: is {shape} in model = {name!r}")
        sizes = {"bits": config.pixels.bits, "levels": config.levels, "prior": config.prior}
        return {**{field: value for field, value in values.items() if field != "model"}, **sizes}

    @field_validator("labels")
    @classmethod
    def _labels_are_distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) != len(labels):
            raise ValueError("labels must be distinct")
        return labels

    @field_validator("media")
    @classmethod
    def _is_of_images(cls, media: Media) -> Media:
        if media.type != "image":
            raise ValueError(f"hierarchical models are of images, got {media.type!r}")
        return media

    @model_validator(mode="after")
    def _fits_together(self) -> HierarchicalRecipe:
        try:
            grids = self.hierarchy.grids
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            field = field_path(detail["loc"])
            problem = detail["msg"].removeprefix("Value error, ")
            raise ValueError(f"{field}: {problem}" if field else problem) from error
        if len(self.stages.levels) != len(self.levels):
            raise ValueError(
                f"stages.levels: there must be one for each of {len(self.levels)} levels, got {len(self.stages.levels)}"
            )
        for index, (level, stage, grid) in enumerate(zip(self.levels, self.stages.levels, grids[:-1], strict=True)):
            _check_crop(f"stages.levels.{index}.crop", stage.crop, level, grid)
        return self


def _pixels(media: Media, bits: int) -> Grid:
    channels, height, width = media.shape
    return Grid(channels=channels, height=height, width=width, bits=bits)


def _check_crop(field: str, crop: int | None, level: LevelConfig, grid: Grid) -> None:
    if crop is None:
        return
    if crop > min(grid.height, grid.width):
        raise ValueError(f"{field}: {crop} is larger than the level's grid of {grid.height} x {grid.width}")
    if crop % level.reduction:
        raise ValueError(f"{field}: {crop} is not made of whole codes, which are {level.reduction} apart")
