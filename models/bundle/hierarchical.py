"""`bundle.json` of a hierarchical model. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from models.bundle.manifest import PRIOR, BundleName, BundleVersion, FileEntry
from models.config import Frozen, Media, SamplingDefaults
from models.hierarchical.config import HierarchyConfig

KIND = "hierarchical"


def level_file(number: int) -> str:
    """The file with the weights of a level, the first of which is made of pixels."""
    return f"level-{number}.safetensors"


class HierarchicalManifest(Frozen):
    """The contents of `bundle.json` of a hierarchical model.

    A level's weights are a file of their own, without the teacher of masked self-prediction, which only training needs.

    Attributes:
        media: images of the pixels' channels, height and width.
        hierarchy: pixels, with how many bits they have, levels and prior.
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
    training: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, FileEntry] = Field(default_factory=dict)

    @property
    def weights(self) -> tuple[str, ...]:
        """The files that hold its networks: the levels', then the prior's."""
        return (*(level_file(number) for number in range(1, len(self.hierarchy.levels) + 1)), PRIOR)

    @model_validator(mode="after")
    def _fits_together(self) -> HierarchicalManifest:
        pixels = self.hierarchy.pixels
        shape = (pixels.channels, pixels.height, pixels.width)
        if self.media.type != "image" or self.media.shape != shape:
            raise ValueError(f"media: must be images of {list(shape)}, which the hierarchy's pixels are")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must be distinct")
        return self
