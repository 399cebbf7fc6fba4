"""How each stage of a run trains: the parts of a recipe. Imports no torch, so that a recipe is read in milliseconds."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from models.config import Frozen, PositiveInt

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]


class AutoencoderKind(StrEnum):
    """The autoencoders there are, as `kind` in a recipe's `[autoencoder]` names them."""

    RESIDUAL = "residual"
    CONVOLUTIONAL = "convolutional"


class Optimisation(Frozen):
    """What every trained stage has: epochs of Adam over shuffled batches.

    Attributes:
        schedule: `constant`, or `cosine` down to zero at the last step; both after a linear warm-up.
        warmup: share of all steps that the warm-up takes.
        weight_decay: decoupled (AdamW); 0 is plain Adam.
        gradient_clip: largest L2 norm of the gradient; None leaves it alone.
        average: decay of a running mean of the weights, which is what is validated and kept; None for the weights
            themselves.
        average_warmup: whether that decay begins low, at most (1 + n) / (10 + n) after n updates. Otherwise a schedule
            that is not many times 1 / (1 - average) steps long keeps much of the weights that it began with.
        precision: of the training steps' matrix products and convolutions; weights, their gradients, the distances to
            the codebook and the loss are float32 either way. `bfloat16` is quicker where the hardware has it (GPUs,
            CPUs with AMX or AVX512-BF16), and slower elsewhere.
        accumulate: parts that each process computes its share of a batch in, one after the other, for batches that do
            not fit into memory at once.
        compile: whether the training steps' networks are compiled first, which takes a while, and a compiler.
    """

    epochs: PositiveInt
    batch: PositiveInt = 128
    learning_rate: PositiveFloat = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: Share = 0.0
    weight_decay: NonNegativeFloat = 0.0
    gradient_clip: PositiveFloat | None = None
    average: Share | None = None
    average_warmup: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    accumulate: PositiveInt = 1
    compile: bool = False

    @model_validator(mode="after")
    def _no_more_parts_than_examples(self) -> Self:
        if self.accumulate > self.batch:
            raise ValueError(f"accumulate = {self.accumulate} parts are more than the batch's {self.batch} examples")
        return self


class Truncation(Frozen):
    """A distribution over truncation indices.

    Attributes:
        law: `uniform` is the paper's. `geometric` prefers short ones: each index is 1 - rate times as probable as the
            one before it (appendix C.3). `mixed` is a third each of uniform, of the powers of two, and of all K codes,
            so that neither the first codes nor the complete picture are neglected.
        rate: of the geometric law; the paper has tried 0.03 and 0.1.
        shortest: the fewest codes that are kept. The authors' own code has 10 for MNIST.
    """

    law: Literal["uniform", "geometric", "mixed"] = "uniform"
    rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    shortest: PositiveInt = 1

    @model_validator(mode="after")
    def _rate_is_for_geometric(self) -> Truncation:
        if (self.law == "geometric") != (self.rate is not None):
            raise ValueError("rate is for the geometric law, which needs it")
        return self


class CodebookRecipe(Frozen):
    """How the codebook learns.

    Attributes:
        learning: `gradient` is the paper's, the second term of Eq. (5). With `average` every entry is a moving average
            of the encoder's vectors that chose it, and that term falls away.
        decay: of that average.
        revive: an entry that is chosen less often than this, as a share of what all being chosen equally often would
            make it, moves onto one of the encoder's vectors. 0 leaves it where it is.
        estimator: how the gradient passes the quantiser: `straight-through` is the paper's, `rotation` keeps the angle
            between a vector and its gradient.
    """

    learning: Literal["gradient", "average"] = "gradient"
    decay: Annotated[float, Field(gt=0, lt=1)] = 0.99
    revive: Annotated[float, Field(ge=0, lt=1)] = 0.0
    estimator: Literal["straight-through", "rotation"] = "straight-through"

    @model_validator(mode="after")
    def _only_averages_revive(self) -> CodebookRecipe:
        if self.revive and self.learning != "average":
            raise ValueError('revive needs learning = "average", which counts how often entries are chosen')
        return self


class AutoencoderStage(Optimisation):
    """A stage that trains the autoencoder, Eq. (5) or (6).

    Attributes:
        commitment: beta, 0.1 to 2.0 in the paper.
        spectral: of audio, the weight of the distance in dB between log-mel spectrograms, which is added to the
            equation; 0 leaves it as it is in the paper.
    """

    commitment: NonNegativeFloat = 0.25
    spectral: NonNegativeFloat = 0.0


class OrderedStage(AutoencoderStage):
    """The stage that orders the codes, Eq. (6); `truncation` says how many of them an example keeps."""

    truncation: Truncation = Truncation()


class PriorStage(Optimisation):
    """The stage that trains the prior.

    Attributes:
        label_dropout: share of samples that see the null label.
    """

    label_dropout: Share = 0.1


class Stages(Frozen):
    """The trained stages: autoencoder at full length, the same autoencoder ordered, and the prior over its codes.

    Without `ordered` the codes stay as they are: the paper's unordered baseline, or a model tailored to one length.
    Without `autoencoder`, which only autoencoders of kind `residual` can do without, they are ordered from the start.
    """

    autoencoder: AutoencoderStage | None = None
    ordered: OrderedStage | None = None
    prior: PriorStage

    @model_validator(mode="after")
    def _trains_an_autoencoder(self) -> Stages:
        if self.autoencoder is None and self.ordered is None:
            raise ValueError("needs a section autoencoder or ordered, or both")
        return self

    @property
    def spectral(self) -> float:
        """The weight of the log-mel distance in what the autoencoder was trained for last."""
        stage = self.ordered or self.autoencoder
        return stage.spectral if stage else 0.0
