"""`bundle.json`: what a bundle says of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from models.config import AnyAutoencoderConfig, Frozen, Media, PositiveInt, PriorConfig, SamplingDefaults
from models.vocabulary import Vocabulary

FORMAT_VERSION = 1
MANIFEST = "bundle.json"
AUTOENCODER = "autoencoder.safetensors"
PRIOR = "prior.safetensors"
EIGHT_BIT_LIMIT = 1.02  # how far samples may be from real data with eight bits, beside full precision
TINY = 1e-9
# Raised whenever `native-int8` computes something else: what a bundle says of eight bits is of what was checked then.
EIGHT_BIT_REVISION = 1

BundleName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
BundleVersion = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class FileEntry(Frozen):
    """One file of the bundle: its size and SHA-256, both checked on load."""

    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class EightBitDistance(Frozen):
    """Distances to real data of samples from their first `codes` codes, drawn with the same seeds."""

    codes: PositiveInt
    full_precision: Finite
    eight_bit: Finite

    @property
    def ratio(self) -> float:
        """Of the two; a distance is positive but for rounding."""
        return self.eight_bit / max(self.full_precision, TINY)


class EightBitCheck(Frozen):
    """What became of the model with eight bits, beside full precision, when it was evaluated.

    Attributes:
        revision: `EIGHT_BIT_REVISION` when it was checked.
        samples: how many were drawn by each.
        distance: by what name distances are known.
        agreement: share of the codes that are the same.
    """

    revision: PositiveInt
    samples: PositiveInt
    distance: str
    agreement: Annotated[float, Field(ge=0, le=1)]
    fractions: Annotated[tuple[EightBitDistance, ...], Field(min_length=1)]

    @property
    def outdated(self) -> bool:
        """Whether the executor has changed since then."""
        return self.revision != EIGHT_BIT_REVISION

    @property
    def passed(self) -> bool:
        """Whether samples of the executor as it is now are nowhere further from real data than `EIGHT_BIT_LIMIT`."""
        return not self.outdated and all(each.ratio <= EIGHT_BIT_LIMIT for each in self.fractions)


class Identified(Frozen):
    """What manifests of all kinds are known by."""

    if TYPE_CHECKING:  # each kind has these fields at a place of its own, which the identity depends on
        name: str
        version: str

    @property
    def code_values(self) -> tuple[int, ...]:
        """How many values each of the K codes may take."""
        raise NotImplementedError

    @property
    def reference(self) -> str:
        """How a client names exactly this: name@version."""
        return f"{self.name}@{self.version}"

    @cached_property
    def identity(self) -> str:
        """name@version#digest of all that `bundle.json` says, the hashes of the weights included.

        Two bundles of one identity draw the same codes; a bundle that was replaced by another of the same version has
        another identity.
        """
        digest = hashlib.sha256(self.model_dump_json().encode()).hexdigest()
        return f"{self.reference}#{digest[:12]}"

    @property
    def most_values(self) -> int:
        """The largest of `code_values`."""
        return max(self.code_values)


class Manifest(Identified):
    """The contents of `bundle.json`.

    Attributes:
        quality_curve: K + 1 numbers, expected quality after 0 .. K codes: 0 first, 1 last, monotone and concave.
        eight_bit: None if it was not checked whether eight bits are enough for this model.
        training: provenance, free-form JSON (recipe, data and its licence, epochs, seed, versions).
    """

    format_version: Literal[1] = 1
    kind: Literal["ordered-vqvae"] = "ordered-vqvae"
    name: BundleName
    version: BundleVersion = "1"
    description: str = ""
    media: Media
    labels: tuple[str, ...] = ()
    autoencoder: AnyAutoencoderConfig
    prior: PriorConfig
    sampling: SamplingDefaults = SamplingDefaults()
    quality_curve: tuple[float, ...]
    eight_bit: EightBitCheck | None = None
    training: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, FileEntry] = Field(default_factory=dict)

    @property
    def codes(self) -> int:
        """K, the length of a complete code."""
        return self.autoencoder.codes

    @property
    def code_values(self) -> tuple[int, ...]:
        """How many values each of the K codes may take."""
        return (self.autoencoder.codebook,) * self.codes

    @property
    def decoding(self) -> tuple[str, ...]:
        """The files whose weights say what codes mean."""
        return (AUTOENCODER,)

    @property
    def encodes(self) -> bool:
        """Whether the service can turn a file into codes."""
        return True

    @property
    def vocabulary(self) -> Vocabulary:
        """The prior's tokens."""
        return Vocabulary(self.codes, self.autoencoder.codebook, len(self.labels))

    @model_validator(mode="after")
    def _curve_is_a_quality_curve(self) -> Manifest:
        try:
            self.autoencoder.check(self.media)
        except ValueError as error:
            raise ValueError(f"autoencoder.{error}") from error
        check_quality_curve(self.quality_curve, self.codes)
        return self

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> Manifest:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must be distinct")
        return self


def check_quality_curve(curve: Sequence[float], codes: int) -> None:
    """Raises ValueError if this is no quality curve of a model with so many codes."""
    if len(curve) != codes + 1:
        raise ValueError(f"quality_curve has {len(curve)} numbers, expected codes + 1 = {codes + 1}")
    if abs(curve[0]) > 1e-6 or abs(curve[-1] - 1) > 1e-6:
        raise ValueError("quality_curve must start at 0 and end at 1")
    gains = [after - before for before, after in pairwise(curve)]
    if min(gains) < -1e-6 or any(later > earlier + 1e-6 for earlier, later in pairwise(gains)):
        raise ValueError("quality_curve must be monotone and concave")
