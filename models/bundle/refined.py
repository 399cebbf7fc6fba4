"""`bundle.json` of a refined model. Imports no torch."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

from pydantic import Field, model_validator

from models.bundle.manifest import (
    AUTOENCODER,
    PRIOR,
    BundleName,
    BundleVersion,
    FileEntry,
    Identified,
    Manifest,
    check_quality_curve,
)
from models.config import Media, SamplingDefaults
from models.hierarchical.config import Grid
from models.refined.config import RefinerConfig

KIND = "refined"
REFINER = "refiner.safetensors"


class RefinedManifest(Identified):
    """The contents of `bundle.json` of a refined model.

    Attributes:
        base: what the ordered model's own bundle says, whose networks lie in this one under the same names.
        quality_curve: K + 1 numbers, expected quality after 0 .. K codes, pixels among them: 0 first, 1 last, monotone
            and concave.
        training: provenance, free-form JSON (recipe, data and its licence, epochs, seed, versions).
    """

    format_version: Literal[1] = 1
    kind: Literal["refined"] = "refined"
    name: BundleName
    version: BundleVersion = "1"
    description: str = ""
    base: Manifest
    refiner: RefinerConfig
    sampling: SamplingDefaults = SamplingDefaults()
    quality_curve: tuple[float, ...]
    training: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, FileEntry] = Field(default_factory=dict)

    @property
    def weights(self) -> tuple[str, ...]:
        """The files that hold its networks."""
        return (AUTOENCODER, PRIOR, REFINER)

    @property
    def media(self) -> Media:
        """What a sample is."""
        return self.base.media

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of their indices."""
        return self.base.labels

    @property
    def pixels(self) -> Grid:
        """What is drawn after the codes of the base."""
        return self.refiner.pixels(self.media)

    @property
    def codes(self) -> int:
        """K: those of the base, and then each place of the picture is one."""
        return self.base.codes + self.pixels.places

    @cached_property
    def code_values(self) -> tuple[int, ...]:
        """How many values each of the K codes may take."""
        grid = self.pixels
        return self.base.code_values + (1 << grid.bits * grid.channels,) * grid.places

    @property
    def decoding(self) -> tuple[str, ...]:
        """The files whose weights say what codes mean; a pixel means itself."""
        return (AUTOENCODER,)

    @property
    def encodes(self) -> bool:
        """Whether the service can turn a file into codes: its encoder knows none but those of the base."""
        return False

    @model_validator(mode="after")
    def _fits_together(self) -> RefinedManifest:
        self.refiner.pixels(self.media)
        check_quality_curve(self.quality_curve, self.codes)
        return self
