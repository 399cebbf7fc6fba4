"""What a model is made of, as validated, frozen values: read from a recipe, written into the bundle.

Imports no torch, so that a process which only needs to describe a model starts in milliseconds.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

PositiveInt = Annotated[int, Field(gt=0)]
Dropout = Annotated[float, Field(ge=0, lt=1)]


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

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest number of a sample."""
        return (0.0, 1.0) if self.type == "image" else (-1.0, 1.0)

    @property
    def seconds(self) -> float | None:
        """How long a clip lasts; None for an image."""
        return None if self.sample_rate is None else self.shape[-1] / self.sample_rate


class AutoencoderConfig(Frozen):
    """An ordered VQ-VAE of convolutions (anytime paper, section 4 and appendix E.1).

    One convolution per entry of `filters`; all but the last are followed by LeakyReLU.

    Attributes:
        codes: K.
        codebook: C.
        widths: channels of the hidden layers.
        leak: of LeakyReLU.
        quantisation: what of the encoder's feature map is one code (section 4.3 and figure 1): with `channel` it has K
            channels and each is one; with `spatial` each of its K places is one, as in a plain VQ-VAE.
        depth: channels of the feature map, for `spatial` only.
        missing: what stands in for the vectors of codes that are not there: `zero` as in the paper, or `learned`, a
            vector for each place in the order, from which the decoder can tell how many there are.
        decoder: `mirror` is the encoder's counterpart, layer by layer, as the paper has for images. `upsample` is its
            decoder for audio, after WaveGAN's generator: for each convolution of the encoder that makes its input
            smaller, the nearest neighbour repeated by its stride, then a convolution of its filter.
    """

    kind: Literal["convolutional"] = "convolutional"
    codes: PositiveInt
    codebook: Annotated[int, Field(gt=1)]
    filters: tuple[PositiveInt, ...]
    strides: tuple[PositiveInt, ...]
    widths: tuple[PositiveInt, ...]
    leak: float = 0.2
    quantisation: Literal["channel", "spatial"] = "channel"
    depth: PositiveInt | None = None
    missing: Literal["zero", "learned"] = "zero"
    decoder: Literal["mirror", "upsample"] = "mirror"

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
        if (self.quantisation == "spatial") != (self.depth is not None):
            raise ValueError("depth is for spatial quantisation, which needs it")
        if self.decoder == "upsample" and max(self.strides) == 1:
            raise ValueError('decoder "upsample" needs a stride above 1: it has a layer for each of them')
        return self

    @property
    def channels(self) -> int:
        """Of the feature map between encoder and decoder."""
        return self.codes if self.depth is None else self.depth

    def grid(self, media: Media) -> tuple[int, ...]:
        """Places of the feature map: height and width, or length.

        Raises:
            ValueError: the strides do not divide the media's shape, or with spatial quantisation K is not the number
                of places.
        """
        factor = math.prod(self.strides)
        if any(size % factor for size in media.shape[1:]):
            raise ValueError(f"strides multiply to {factor}, which does not divide the media shape {list(media.shape)}")
        grid = tuple(size // factor for size in media.shape[1:])
        if self.quantisation == "spatial" and math.prod(grid) != self.codes:
            raise ValueError(
                f"spatial quantisation makes {math.prod(grid)} codes of {list(media.shape)}, not {self.codes}"
            )
        return grid

    def check(self, media: Media) -> None:
        """Raises ValueError naming the field that does not fit the media."""
        try:
            self.grid(media)
        except ValueError as error:
            raise ValueError(f"strides: {error}") from error

    def code_dim(self, media: Media) -> int:
        """D, the numbers in one code vector."""
        return math.prod(self.grid(media)) if self.depth is None else self.depth


class ResidualConfig(Frozen):
    """An ordered autoencoder whose every code corrects what the codes before it leave (`models.residual`).

    Attributes:
        codes: K.
        codebook: C.
        depth: D, numbers of a code vector.
        width: L, numbers of the state that the codes build up and the sample is read from.
        hidden: units of each code's own network.
    """

    kind: Literal["residual"]
    codes: PositiveInt
    codebook: Annotated[int, Field(gt=1)]
    depth: PositiveInt
    width: PositiveInt
    hidden: PositiveInt

    @model_validator(mode="after")
    def _state_holds_a_vector(self) -> ResidualConfig:
        if self.depth > self.width:
            raise ValueError(f"depth ({self.depth}) must not exceed width ({self.width})")
        return self

    def check(self, media: Media) -> None:
        """Raises ValueError naming the field that does not fit the media."""
        numbers = math.prod(media.shape)
        if self.width > numbers:
            raise ValueError(f"width: is {self.width}, more than the {numbers} numbers of a sample")

    def code_dim(self, media: Media) -> int:  # noqa: ARG002 - as of the other kind
        """D, the numbers in one code vector."""
        return self.depth


def _autoencoder_kind(autoencoder: Any) -> Any:
    """The tag of an autoencoder; one that has none is convolutional, as all were before there were others."""
    return _tag(autoencoder, "convolutional")


# Which autoencoder, by `kind`.
AnyAutoencoderConfig = Annotated[
    Annotated[AutoencoderConfig, Tag("convolutional")] | Annotated[ResidualConfig, Tag("residual")],
    Discriminator(
        _autoencoder_kind,
        custom_error_type="autoencoder_kind",
        custom_error_message="kind should be 'convolutional' or 'residual'",
    ),
]


class TransformerConfig(Frozen):
    """A Transformer decoder over code indices.

    The anytime paper (appendix E.1) has 6 layers, width 512, feed-forward 2048 and 8 heads.
    """

    kind: Literal["transformer"] = "transformer"
    layers: PositiveInt
    width: PositiveInt
    feed_forward: PositiveInt
    heads: PositiveInt
    dropout: Dropout = 0.1

    @model_validator(mode="after")
    def _heads_divide_width(self) -> TransformerConfig:
        if self.width % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide width ({self.width})")
        return self


class LSTMConfig(Frozen):
    """A recurrent network over code indices (appendix C.2, which gives no sizes)."""

    kind: Literal["lstm"] = "lstm"
    layers: PositiveInt
    width: PositiveInt
    dropout: Dropout = 0.1


class PixelCNNConfig(Frozen):
    """Masked convolutions over the codes laid out in a square (appendix C.2, which gives no sizes).

    Attributes:
        layers: residual blocks, after the first convolution.
        width: channels between blocks; within one there are half as many.
        filter: edge of every masked convolution; odd, so that it has a centre.
    """

    kind: Literal["pixelcnn"] = "pixelcnn"
    layers: PositiveInt
    width: PositiveInt
    filter: Annotated[int, Field(ge=3)] = 3
    dropout: Dropout = 0.1

    @model_validator(mode="after")
    def _halves(self) -> PixelCNNConfig:
        if self.width % 2:
            raise ValueError(f"width ({self.width}) must be even")
        if not self.filter % 2:
            raise ValueError(f"filter ({self.filter}) must be odd")
        return self


def _kind(prior: Any) -> Any:
    """The tag of a prior; one that has none is a Transformer, as all were before there were others."""
    return _tag(prior, "transformer")


def _tag(value: Any, default: str) -> str | None:
    """The `kind` of a table or model; the default if it names none, None if what it names is no text."""
    kind = value.get("kind", default) if isinstance(value, dict) else getattr(value, "kind", default)
    return kind if isinstance(kind, str) else None


# Which autoregressive prior, by `kind` (figure 8a compares the three).
PriorConfig = Annotated[
    Annotated[TransformerConfig, Tag("transformer")]
    | Annotated[LSTMConfig, Tag("lstm")]
    | Annotated[PixelCNNConfig, Tag("pixelcnn")],
    Discriminator(
        _kind,
        custom_error_type="prior_kind",
        custom_error_message="kind should be 'transformer', 'lstm' or 'pixelcnn'",
    ),
]


# What pydantic puts into the path of a field, beside the names that the file has: the kind of a network. By where the
# network is: how far within the file, and under which name.
_TAGS = {
    (0, "autoencoder"): {"convolutional", "residual"},
    (0, "prior"): {"transformer", "lstm", "pixelcnn"},
    (2, "auxiliary"): {"feed-forward", "masked"},  # of levels.N
}


def field_path(location: tuple[int | str, ...]) -> str:
    """Where a validation error is, as its file spells it."""
    parts = [
        name
        for index, name in enumerate(location)
        if not index or name not in _TAGS.get((index - 1, str(location[index - 1])), ())
    ]
    # Whoever writes a file can put anything into a name; an error is one line all the same.
    return ".".join(name if (name := str(part)).isprintable() else repr(name) for part in parts)


class SamplingDefaults(Frozen):
    """How to sample when a request does not say. `top_k` 0 and `top_p` 1 keep every code."""

    temperature: Annotated[float, Field(ge=0, le=10)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
