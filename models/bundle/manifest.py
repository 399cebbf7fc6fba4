"""`bundle.json`: what a bundle says of itself."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from models.config import AnyAutoencoderConfig, Frozen, Media, PriorConfig, SamplingDefaults

FORMAT_VERSION = 1
MANIFEST = "bundle.json"
AUTOENCODER = "autoencoder.safetensors"
PRIOR = "prior.safetensors"


class FileEntry(Frozen):
    """One file of the bundle: its size and SHA-256, both checked on load."""

    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Manifest(Frozen):
    """The contents of `bundle.json`.

    Attributes:
        quality_curve: K + 1 numbers, expected quality after 0 .. K codes: 0 first, 1 last, monotone and concave.
        training: provenance, free-form JSON (recipe, data and its licence, epochs, seed, versions).
    """

    format_version: Literal[1] = 1
    kind: Literal["ordered-vqvae"] = "ordered-vqvae"
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    version: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")] = "1"
    description: str = ""
    media: Media
    labels: tuple[str, ...] = ()
    autoencoder: AnyAutoencoderConfig
    prior: PriorConfig
    sampling: SamplingDefaults = SamplingDefaults()
    quality_curve: tuple[float, ...]
    training: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, FileEntry] = Field(default_factory=dict)

    @property
    def codes(self) -> int:
        """K, the length of a complete code."""
        return self.autoencoder.codes

    @model_validator(mode="after")
    def _curve_is_a_quality_curve(self) -> Manifest:
        try:
            self.autoencoder.check(self.media)
        except ValueError as error:
            raise ValueError(f"autoencoder.{error}") from error
        curve = self.quality_curve
        if len(curve) != self.codes + 1:
            raise ValueError(f"quality_curve has {len(curve)} numbers, expected codes + 1 = {self.codes + 1}")
        if abs(curve[0]) > 1e-6 or abs(curve[-1] - 1) > 1e-6:
            raise ValueError("quality_curve must start at 0 and end at 1")
        gains = [after - before for before, after in pairwise(curve)]
        if min(gains) < -1e-6 or any(later > earlier + 1e-6 for earlier, later in pairwise(gains)):
            raise ValueError("quality_curve must be monotone and concave")
        return self

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> Manifest:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must be distinct")
        return self
