"""What a model is made of, as validated, frozen values: read from a recipe, written into the bundle.

Imports no torch, so that a process which only needs to describe a model starts in milliseconds.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

PositiveInt = Annotated[int, Field(gt=0)]


class Frozen(BaseModel):
    """Base of every configuration value: immutable, and unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Media(Frozen):
    """What a sample is: an image of shape (channels, height, width) or audio of shape (channels, samples)."""

    type: Literal["image", "audio"]
    shape: tuple[PositiveInt, ...]
    sample_rate: PositiveInt | None = None

    @model_validator(mode="after")
    def _shape_fits_type(self) -> Media:
        rank = 3 if self.type == "image" else 2
        if len(self.shape) != rank:
            raise ValueError(f"{self.type} needs a shape of {rank} numbers, got {list(self.shape)}")
        if (self.type == "audio") != (self.sample_rate is not None):
            raise ValueError("sample_rate is for audio, and audio needs it")
        return self


class AutoencoderConfig(Frozen):
    """An ordered VQ-VAE (anytime paper, section 4 and appendix E.1).

    One convolution per entry of `filters`; all but the last are followed by LeakyReLU. The last has `codes` output
    channels, each of which is one code: a vector of `code_dim` numbers that is quantised on its own (channel-wise
    quantisation, section 4.3). The decoder mirrors the encoder.
    """

    codes: PositiveInt
    codebook: Annotated[int, Field(gt=1)]
    filters: tuple[PositiveInt, ...]
    strides: tuple[PositiveInt, ...]
    widths: tuple[PositiveInt, ...]
    leak: float = 0.2

    @model_validator(mode="after")
    def _lengths_agree(self) -> AutoencoderConfig:
        if not self.filters:
            raise ValueError("filters must name at least one convolution")
        if len(self.strides) != len(self.filters):
            raise ValueError(f"strides has {len(self.strides)} entries for {len(self.filters)} filters")
        if len(self.widths) != len(self.filters) - 1:
            raise ValueError(
                f"widths needs {len(self.filters) - 1} entries, one per hidden layer, got {len(self.widths)}"
            )
        if any(f < s for f, s in zip(self.filters, self.strides, strict=True)):
            raise ValueError("a filter smaller than its stride would skip input")
        return self

    def code_shape(self, media: Media) -> tuple[int, ...]:
        """Spatial shape of one code. Raises ValueError if the strides do not divide the media's shape."""
        factor = math.prod(self.strides)
        if any(size % factor for size in media.shape[1:]):
            raise ValueError(f"strides multiply to {factor}, which does not divide the media shape {list(media.shape)}")
        return tuple(size // factor for size in media.shape[1:])

    def code_dim(self, media: Media) -> int:
        """D, the numbers in one code vector."""
        return math.prod(self.code_shape(media))


class PriorConfig(Frozen):
    """A Transformer decoder over code indices.

    The anytime paper (appendix E.1) has 6 layers, width 512, feed-forward 2048 and 8 heads.
    """

    layers: PositiveInt
    width: PositiveInt
    feed_forward: PositiveInt
    heads: PositiveInt
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1

    @model_validator(mode="after")
    def _heads_divide_width(self) -> PriorConfig:
        if self.width % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide width ({self.width})")
        return self


class SamplingDefaults(Frozen):
    """How to sample when a request does not say. `top_k` 0 and `top_p` 1 keep every code."""

    temperature: Annotated[float, Field(ge=0, le=10)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
