"""Recipes of the baselines. Imports no torch, so that a recipe is read in milliseconds."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from models.config import AutoencoderConfig, Frozen, Media, PositiveInt, PriorConfig
from training.data.options import DataRecipe
from training.options import NonNegativeFloat, Optimisation, Truncation

PIXEL_VALUES = 256


class BaselineBase(Frozen):
    """What every baseline's recipe says.

    Attributes:
        seed: all randomness of the run follows from it.
        media: images; PCA, which every baseline is held against, is that of their pixels.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    media: Media
    data: DataRecipe

    @property
    def labels(self) -> tuple[str, ...]:
        """None: no baseline looks at labels, so any will do."""
        return ()

    @model_validator(mode="after")
    def _images_only(self) -> BaselineBase:
        if self.media.type != "image":
            raise ValueError(f"media.type: baselines are for images, got {self.media.type!r}")
        return self


class VAEConfig(Frozen):
    """A variational autoencoder with the convolutions of the ordered VQ-VAE (appendix C.1).

    Appendix C.1 gives no sizes. The convolutions are those of appendix E.1; between them and the latents is one linear
    layer on either side, since K numbers, unlike K feature maps, have no places.

    Attributes:
        latents: K; of fewer than three there is no order to speak of.
        channels: of the feature map between the convolutions and the linear layers.
        filters, strides, widths, leak: as in `AutoencoderConfig`.
    """

    latents: Annotated[int, Field(ge=3)]
    channels: PositiveInt
    filters: tuple[PositiveInt, ...]
    strides: tuple[PositiveInt, ...]
    widths: tuple[PositiveInt, ...]
    leak: float = 0.2

    @property
    def codes(self) -> int:
        """K, under the name that it has in an ordered VQ-VAE."""
        return self.latents

    @property
    def convolutions(self) -> AutoencoderConfig:
        """The convolutions, as `build_encoder` and `build_decoder` take them; its codebook has no part in them."""
        return AutoencoderConfig(
            codes=self.channels,
            codebook=2,
            filters=self.filters,
            strides=self.strides,
            widths=self.widths,
            leak=self.leak,
        )

    @model_validator(mode="after")
    def _lengths_agree(self) -> VAEConfig:
        _ = self.convolutions
        return self


class VAEStage(Optimisation):
    """A stage that trains a VAE at full length.

    Attributes:
        kl: weight of the divergence beside the squared error summed over an image: twice the variance of a Gaussian
            p(x | z), for which Eq. (13) gives no value.
    """

    kl: NonNegativeFloat = 0.1


class OrderedVAEStage(VAEStage):
    """A stage that trains a VAE with Eq. (13); `truncation` says how many latents an example keeps."""

    truncation: Truncation = Truncation()


class VAEStages(Frozen):
    """The two VAEs of Fig. 7, each from fresh weights."""

    standard: VAEStage
    ordered: OrderedVAEStage


class VAEEvaluation(Frozen):
    """How much is measured: `images` of the test set, all unless given."""

    images: PositiveInt | None = None


class VAERecipe(BaselineBase):
    """Ordered against standard VAE and PCA (Fig. 7)."""

    kind: Literal["vae"]
    network: VAEConfig
    stages: VAEStages
    evaluate: VAEEvaluation = VAEEvaluation()

    @model_validator(mode="after")
    def _fits_together(self) -> VAERecipe:
        try:
            self.network.convolutions.grid(self.media)
        except ValueError as error:
            raise ValueError(f"network.strides: {error}") from error
        _check_components("network.latents", self.network.latents, self.media.shape)
        return self


class PCAPriorStages(Frozen):
    """The two autoregressive models of appendix D, one over pixels and one over their principal components."""

    pixels: Optimisation
    coefficients: Optimisation


class PCAPriorEvaluation(Frozen):
    """How much is measured.

    Attributes:
        images: of the test set; None takes all.
        samples: drawn of each model for the picture.
    """

    images: PositiveInt | None = None
    samples: PositiveInt = 20


class PCAPriorRecipe(BaselineBase):
    """An autoregressive model of pixels against one of PCA coefficients (appendix D).

    Attributes:
        shrink: pictures are first made smaller by this factor, each pixel the rounded mean of a square; 1 leaves them.
        bins: values that a coefficient is told apart by; a pixel has its 256.
        prior: the network that both models have, of any kind that codes can have.
    """

    kind: Literal["pca-prior"]
    shrink: PositiveInt = 1
    bins: Annotated[int, Field(ge=4)] = PIXEL_VALUES
    prior: PriorConfig
    stages: PCAPriorStages
    evaluate: PCAPriorEvaluation = PCAPriorEvaluation()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the pictures that are learnt."""
        channels, height, width = self.media.shape
        return channels, height // self.shrink, width // self.shrink

    @model_validator(mode="after")
    def _shrinks_evenly(self) -> PCAPriorRecipe:
        if any(size % self.shrink for size in self.media.shape[1:]):
            raise ValueError(f"shrink: {self.shrink} does not divide the media shape {list(self.media.shape)}")
        return self


BaselineRecipe = VAERecipe | PCAPriorRecipe


def _check_components(field: str, count: int, shape: tuple[int, ...]) -> None:
    pixels = math.prod(shape)
    if count > pixels:
        raise ValueError(
            f"{field}: {count} is more than the {pixels} numbers of an image, and PCA has no more components"
        )
