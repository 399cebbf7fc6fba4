"""What a refiner is made of, as validated, frozen values. Imports no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from models.config import Frozen, Media
from models.hierarchical.config import GatedPixelCNNConfig, Grid, ResidualNetConfig


class RefinerConfig(Frozen):
    """An autoregressive decoder of pixels, given the picture that an ordered model decodes from all of its codes.

    Attributes:
        bits: of a pixel's channel, as it is drawn; that picture has values in between as well.
        modulator: between the picture and the biases of the local model's layers.
        local: the autoregressive decoder proper.
        relative_temperature: of pixels, to that of codes: priors over codes are often sampled colder than texture
            wants to be.
    """

    bits: Annotated[int, Field(ge=1, le=8)]
    modulator: ResidualNetConfig
    local: GatedPixelCNNConfig
    relative_temperature: Annotated[float, Field(gt=0, le=10)] = 1.0

    def pixels(self, media: Media) -> Grid:
        """What is drawn of such media.

        Raises:
            ValueError: naming the field that does not fit.
        """
        if media.type != "image":
            raise ValueError(f"media.type: a refiner draws images, got {media.type!r}")
        channels, height, width = media.shape
        grid = Grid(channels=channels, height=height, width=width, bits=self.bits)
        try:
            self.local.check(grid)
        except ValueError as error:
            raise ValueError(f"refiner.local.{error}") from error
        return grid
