"""What a hierarchical model is made of, as validated, frozen values.

Imports no torch. Sections and tables are those of the paper; what it leaves open is decided here, and said where.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from models.config import Dropout, Frozen, PositiveInt

Bits = Annotated[int, Field(ge=1, le=16)]
Layers = Annotated[int, Field(ge=0)]  # figure 10 goes down to auxiliary decoders without any

# How many masks an image has in training, by the edge of the largest mask that they are for (appendix A).
_MASKS = ((3, 30), (7, 10), (15, 3), (19, 1))
LARGEST_MASK = _MASKS[-1][0]


class Grid(Frozen):
    """A picture, or a map of codes: places in rows, each with a symbol per channel.

    Symbols are in reading order, and at one place in the order of the channels.
    """

    channels: PositiveInt
    height: PositiveInt
    width: PositiveInt
    bits: Bits

    @property
    def values(self) -> int:
        """How many different symbols there are, V."""
        return 1 << self.bits

    @property
    def places(self) -> int:
        """Height times width."""
        return self.height * self.width

    @property
    def symbols(self) -> int:
        """Of all places and channels."""
        return self.places * self.channels


class ResidualNetConfig(Frozen):
    """A residual net: blocks of ReLU, 3x3, ReLU, 1x1, without normalisation (appendix A).

    Attributes:
        layers: blocks.
        hidden: channels between blocks ("hiddens").
        bottleneck: channels between a block's two convolutions ("residual bottleneck").
    """

    layers: Layers
    hidden: PositiveInt
    bottleneck: PositiveInt


class FeedForwardConfig(Frozen):
    """An auxiliary decoder that reconstructs its level's input (section 4.1)."""

    kind: Literal["feed-forward"] = "feed-forward"
    network: ResidualNetConfig


class MaskedConfig(Frozen):
    """An auxiliary decoder that is taught what a network that sees a masked input predicts (section 4.2).

    Attributes:
        network: the auxiliary decoder, part of the student.
        teacher: sees the input with squares masked, and predicts the middle of each.
        size: edge of those squares, odd, 2s + 1.
    """

    kind: Literal["masked"] = "masked"
    network: ResidualNetConfig
    teacher: ResidualNetConfig
    size: Annotated[int, Field(ge=1, le=LARGEST_MASK)]

    @model_validator(mode="after")
    def _has_a_middle(self) -> MaskedConfig:
        if self.size % 2 == 0:
            raise ValueError(f"size ({self.size}) must be odd")
        return self

    @property
    def masks(self) -> int:
        """How many squares are masked in one image."""
        return next(count for largest, count in _MASKS if self.size <= largest)


AuxiliaryConfig = Annotated[FeedForwardConfig | MaskedConfig, Field(discriminator="kind")]


class GatedPixelCNNConfig(Frozen):
    """A gated PixelCNN (Oord et al. 2016, arXiv 1606.05328): a level's local model, or with attention the prior.

    Attributes:
        layers: pairs of a vertical and a horizontal gated convolution.
        hidden: channels of either stack.
        filter: edge of the convolutions before masking; odd. The paper gives none. Local models have 3 here, priors 5
            as those of Razavi et al. (2019), which it says its own are very similar to.
        residual: units between the two 1x1 convolutions of the residual connection, r in table 4; None for a single
            1x1 convolution, as local models have.
        dropout: of what the gates of the horizontal stack let through.
        attention: layers of masked self-attention, spread evenly, the last one after the last convolution.
        heads: of each.
        timing: whether sines and cosines of row and column are added to the embedded symbols or concatenated with them.
    """

    layers: PositiveInt
    hidden: PositiveInt
    filter: Annotated[int, Field(ge=3)] = 3
    residual: PositiveInt | None = None
    dropout: Dropout = 0.0
    attention: Annotated[int, Field(ge=0)] = 0
    heads: PositiveInt = 1
    timing: Literal["add", "concat"] | None = None

    @model_validator(mode="after")
    def _sizes_agree(self) -> GatedPixelCNNConfig:
        if self.filter % 2 == 0:
            raise ValueError(f"filter ({self.filter}) must be odd")
        if self.attention > self.layers:
            raise ValueError(f"attention ({self.attention}) must not exceed layers ({self.layers})")
        if self.heads > self.hidden:
            raise ValueError(f"heads ({self.heads}) must not exceed hidden ({self.hidden})")
        return self

    @property
    def attends_after(self) -> frozenset[int]:
        """The convolutional layers, from 0, that attention follows."""
        return frozenset(self.layers * (index + 1) // self.attention - 1 for index in range(self.attention))

    def check(self, grid: Grid) -> None:
        """Raises ValueError naming the field that does not fit a grid."""
        if min(self.hidden, self.residual or self.hidden) < grid.channels:
            raise ValueError(f"hidden: needs a unit for each of {grid.channels} channels")
        if self.attention and grid.channels > 1:
            # Section 7.2 chooses codes of one channel so that the prior needs no masking of channels.
            raise ValueError(f"attention: is for grids of one channel, and this one has {grid.channels}")


class CodesConfig(Frozen):
    """The bottleneck: a code per place and channel, each channel with a codebook of its own.

    Attributes:
        bits: of a code; a codebook has 2 to the power of that many entries.
        dim: numbers of an entry. The paper gives none; 64 is that of Razavi et al. (2019).
    """

    channels: PositiveInt = 1
    bits: Bits
    dim: PositiveInt = 64


class LevelConfig(Frozen):
    """A discrete autoencoder with an auxiliary and an autoregressive decoder (figure 4).

    Attributes:
        reduction: by which codes lie further apart than what they are made of; a power of two. Each factor of two is
            a convolution of stride 2 at the end of the encoder, and a subpixel convolution at the beginning of the
            decoders (appendix A.1.1).
        encoder: before its strided convolutions.
        modulator: between codes and the biases of the local model's layers.
        local: the autoregressive decoder proper.
    """

    codes: CodesConfig
    reduction: Annotated[int, Field(ge=2)]
    encoder: ResidualNetConfig
    auxiliary: AuxiliaryConfig
    modulator: ResidualNetConfig
    local: GatedPixelCNNConfig

    @model_validator(mode="after")
    def _reduction_is_a_power_of_two(self) -> LevelConfig:
        if self.reduction & (self.reduction - 1):
            raise ValueError(f"reduction ({self.reduction}) must be a power of two")
        return self

    @property
    def halvings(self) -> int:
        """How many times the codes lie twice as far apart."""
        return self.reduction.bit_length() - 1

    def coded(self, grid: Grid) -> Grid:
        """The grid of the codes of a grid.

        Raises:
            ValueError: naming the field that does not fit.
        """
        if grid.height % self.reduction or grid.width % self.reduction:
            raise ValueError(f"reduction: {self.reduction} does not divide {grid.height} x {grid.width}")
        try:
            self.local.check(grid)
        except ValueError as error:
            raise ValueError(f"local.{error}") from error
        return Grid(
            channels=self.codes.channels,
            height=grid.height // self.reduction,
            width=grid.width // self.reduction,
            bits=self.codes.bits,
        )


class HierarchyConfig(Frozen):
    """Levels from the pixels upwards, and a prior over the codes of the last."""

    pixels: Grid
    levels: Annotated[tuple[LevelConfig, ...], Field(min_length=1)]
    prior: GatedPixelCNNConfig

    @model_validator(mode="after")
    def _levels_fit(self) -> HierarchyConfig:
        grid = self.pixels
        for index, level in enumerate(self.levels):
            try:
                grid = level.coded(grid)
            except ValueError as error:
                raise ValueError(f"levels.{index}.{error}") from error
        try:
            self.prior.check(grid)
        except ValueError as error:
            raise ValueError(f"prior.{error}") from error
        return self

    @property
    def grids(self) -> tuple[Grid, ...]:
        """What each level is made of, pixels first, and last the codes that the prior is for."""
        grids = [self.pixels]
        for level in self.levels:
            grids.append(level.coded(grids[-1]))
        return tuple(grids)

    @property
    def total_codes(self) -> int:
        """Of a whole sample, where all symbols of one place are a code."""
        return sum(grid.places for grid in self.grids)

    @property
    def first_codes(self) -> tuple[int, ...]:
        """By grid, how many codes are drawn before its first."""
        sizes = [grid.places for grid in self.grids]
        return tuple(sum(sizes[index + 1 :]) for index in range(len(sizes)))

    @property
    def first_symbols(self) -> tuple[int, ...]:
        """By grid, how many symbols are drawn before its first: the topmost codes come first, the pixels last."""
        sizes = [grid.symbols for grid in self.grids]
        return tuple(sum(sizes[index + 1 :]) for index in range(len(sizes)))
