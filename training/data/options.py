"""What a recipe says of its data: how files become samples, and samples parts. Imports no torch."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from models.config import Frozen, PositiveInt


def _count_or_share(value: object) -> object:
    match value:
        case bool():
            pass
        case int() if value >= 1:
            return value
        case float() if 0 < value < 1:
            return value
    raise ValueError("must be a number of samples, or a share of them between 0 and 1")


class DataRecipe(Frozen):
    """How the data is prepared and split. The test set is never used for choosing anything.

    Attributes:
        validation: samples held out of the training set for picking the best epoch; below 1, that share of it. Of a
            validation part that the data has itself, at most so many are taken.
        test: share of the files that become the test set, where the data has no test part.
        limit: train on this many of the remaining samples only; None takes all.
        crops: pictures made of each image file: 1 is the centre, more are cut at random places in random sizes.
        stride: samples of audio between the starts of two windows of a file; None is a window's length.
        speaker: regular expression with one group, the label of an audio file, searched in its path below the folder.
        pad: pixels of black around pictures that are taken as they are, on each side: MNIST's 28 x 28 become 32 x 32
            with 2.
        attribute: of CelebA, the one that is the label.
        label: which of several: `fine` or `coarse` of CIFAR-100, the column of a Hugging Face data set.
    """

    validation: Annotated[int | float, BeforeValidator(_count_or_share)]
    test: Annotated[float, Field(gt=0, lt=1)] = 0.1
    limit: PositiveInt | None = None
    crops: PositiveInt = 1
    stride: PositiveInt | None = None
    speaker: str | None = None
    pad: Annotated[int, Field(ge=0)] = 0
    attribute: str | None = None
    label: str | None = None

    @field_validator("speaker")
    @classmethod
    def _has_one_group(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = re.compile(pattern).groups
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"is not a regular expression ({error})") from error
        if groups != 1:
            raise ValueError(f"must have one group, the speaker, and has {groups}")
        return pattern

    def held_out(self, samples: int) -> int:
        """How many of so many training samples are held out for validation, at least one."""
        return int(self.validation) if self.validation >= 1 else max(1, round(self.validation * samples))
