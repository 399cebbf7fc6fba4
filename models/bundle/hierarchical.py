"""`bundle.json` of a hierarchical model. Imports no torch."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

from pydantic import Field, model_validator

from models.bundle.manifest import PRIOR, BundleName, BundleVersion, FileEntry, Identified, check_quality_curve
from models.config import Media, SamplingDefaults
from models.hierarchical.config import HierarchyConfig

KIND = "hierarchical"
MOST_BITS = 31  # of a code, which some protocols carry as a signed integer of 32 bits


def level_file(number: int) -> str:
    """The file with the weights of a level, the first of which is made of pixels."""
    return f"level-{number}.safetensors"


class HierarchicalManifest(Identified):
    """The contents of `bundle.json` of a hierarchical model.

    A level's weights are a file of their own, without the teacher of masked self-prediction, which only training needs.

    Attributes:
        media: images of the pixels' channels, height and width.
        hierarchy: pixels, with how many bits they have, levels and prior.
        quality_curve: K + 1 numbers, expected quality after 0 .. K codes over the whole ladder: 0 first, 1 last,
            monotone and concave.
        training: provenance, free-form JSON (recipe, data and its licence, epochs, seed, versions).
    """

    format_version: Literal[1] = 1
    kind: Literal["hierarchical"] = "hierarchical"
    name: BundleName
    version: BundleVersion = "1"
    description: str = ""
    media: Media
    labels: tuple[str, ...] = ()
    hierarchy: HierarchyConfig
    sampling: SamplingDefaults = SamplingDefaults()
    quality_curve: tuple[float, ...]
    training: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, FileEntry] = Field(default_factory=dict)

    @property
    def weights(self) -> tuple[str, ...]:
        """The files that hold its networks: the levels', then the prior's."""
        return (*self.decoding, PRIOR)

    @property
    def codes(self) -> int:
        """K: all symbols of one place are a code, from the topmost grid down to the pixels."""
        return self.hierarchy.total_codes

    @cached_property
    def code_values(self) -> tuple[int, ...]:
        """How many values each of the K codes may take."""
        grids = reversed(self.hierarchy.grids)
        return tuple(1 << grid.bits * grid.channels for grid in grids for _ in range(grid.places))

    @property
    def decoding(self) -> tuple[str, ...]:
        """The files whose weights say what codes mean."""
        return tuple(level_file(number) for number in range(1, len(self.hierarchy.levels) + 1))

    @property
    def encodes(self) -> bool:
        """Whether the service can turn a file into codes: its encoder has no networks of these."""
        return False

    @model_validator(mode="after")
    def _fits_together(self) -> HierarchicalManifest:
        pixels = self.hierarchy.pixels
        shape = (pixels.channels, pixels.height, pixels.width)
        if self.media.type != "image" or self.media.shape != shape:
            raise ValueError(f"media: must be images of {list(shape)}, which the hierarchy's pixels are")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must be distinct")
        if self.most_values > 1 << MOST_BITS:
            raise ValueError(f"hierarchy: all symbols of a place must not have more than {MOST_BITS} bits")
        check_quality_curve(self.quality_curve, self.codes)
        return self
