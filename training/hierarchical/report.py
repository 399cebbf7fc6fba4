"""`report.json` of a hierarchical or a refined model: all that its evaluation measured, as numbers.

It holds no times, paths or host names: the same model, data and seed on the same machine give the same bytes.
"""

from __future__ import annotations

from typing import Literal

from models.config import Frozen, SamplingDefaults
from training.evaluation.intervals import Estimate, Proportion
from training.evaluation.report import ERROR_UNIT, Claim, DataFacts, ExtractorFacts


class GridFacts(Frozen):
    """One factor of the joint likelihood.

    Attributes:
        name: whose symbols: `pixels`, or `codes of level N`.
        given: what they are predicted from.
        per_symbol: bits of one of them.
        per_dimension: their part of the joint bits per dimension.
    """

    name: str
    given: str
    channels: int
    height: int
    width: int
    bits: int
    per_symbol: Estimate
    per_dimension: Estimate


class LikelihoodFacts(Frozen):
    """Equation (2) of appendix F on held-out images: an upper bound on the bits of the pixels alone.

    Attributes:
        joint: bits of pixels and all codes together, per channel of a pixel.
        pixel_bits: that a channel of a pixel has in the data as the model sees it, what no model at all would need.
        unconditional: the same joint without a label.
    """

    unit: str = "bits per channel of a pixel (bits/dim)"
    images: int
    joint: Estimate
    unconditional: Estimate
    pixel_bits: int
    grids: tuple[GridFacts, ...]


class JudgedFacts(Frozen):
    """What the extractor makes of a set of images.

    Attributes:
        distance: FD to the real test images, with a bootstrap interval; comparable between sets of like size.
        recognition: share that is assigned to the label they were made for; None of data with a single class.
        recognition_by_label: the same for each label.
    """

    count: int
    distance: Estimate
    recognition: Proportion | None
    recognition_by_label: dict[str, Proportion]


class HierarchicalSampleFacts(Frozen):
    """Conditional samples, with labels as often as the test images have them; sample i is that of (seed, i).

    Attributes:
        drawn: with every symbol drawn, from the prior down to the pixels (algorithm 4).
        auxiliary: the same topmost codes, and the rest by the auxiliary decoders in one pass.
        distance_drop: by how much drawing the rest lowers FD, paired by sample.
    """

    seed: int
    sampling: SamplingDefaults
    drawn: JudgedFacts
    auxiliary: JudgedFacts
    distance_drop: Estimate


class HierarchicalReconstructionFacts(Frozen):
    """Test images, encoded to the topmost codes and back.

    Attributes:
        temperature: of those that are drawn.
        drawn_error, auxiliary_error: in `unit`, against the images as they are. One that is drawn has a texture of its
            own where one that is not has the mean of all, so the second is the lower.
        variety: the same of two drawings of one image against each other.
    """

    unit: str = ERROR_UNIT
    temperature: float
    drawn: JudgedFacts
    auxiliary: JudgedFacts
    drawn_error: Estimate
    auxiliary_error: Estimate
    variety: Estimate


class RungFacts(Frozen):
    """Samples after so many codes: their distance to real images, with a bootstrap interval."""

    codes: int
    distance: Estimate


class LadderFacts(Frozen):
    """The same samples after more and more codes, by distances to real validation images.

    Attributes:
        name: of the distance.
        top, below: what stands in for what is not drawn, in the topmost grid and in those below.
        order: of the grids.
        drop: by how much the last distance is lower than the first, paired by sample.
    """

    name: str
    reference_images: int
    samples: int
    top: str
    below: str
    order: str = "grids in turn"
    rungs: tuple[RungFacts, ...]
    drop: Estimate


class RealFacts(Frozen):
    """How to read the Fréchet distances.

    Attributes:
        name: never FID, since the features are not Inception's.
        reference_images: real test images on the other side of every distance.
        floor: of two disjoint random sets of real training images, as many as samples: what real images reach.
    """

    name: str
    reference_images: int
    floor: tuple[float, float]
    floor_images: int


class NeighbourFacts(Frozen):
    """How near the nearest training image is, by the root of the squared error over the pixels (Fig. 11).

    Samples that were remembered would be nearer than test images are.

    Attributes:
        samples, test: mean over as many samples and test images.
    """

    images: int
    samples: Estimate
    test: Estimate


class CodebookFacts(Frozen):
    """How much of a level's codebooks the test images use.

    Attributes:
        used: entries in use, by channel.
        perplexity: 2 to the power of the entropy of their frequencies, by channel.
    """

    level: int
    entries: int
    used: tuple[int, ...]
    perplexity: tuple[float, ...]


class HierarchicalReport(Frozen):
    """The contents of `report.json`.

    Attributes:
        ladder: what the bundle's quality curve is fitted to.
        versions: of Python and of the libraries that computed this.
    """

    kind: Literal["hierarchical", "refined"] = "hierarchical"
    format_version: Literal[1] = 1
    model: str
    seed: int
    data: DataFacts
    extractor: ExtractorFacts
    codebooks: tuple[CodebookFacts, ...]
    likelihood: LikelihoodFacts
    real: RealFacts
    samples: HierarchicalSampleFacts
    reconstructions: HierarchicalReconstructionFacts
    neighbours: NeighbourFacts
    ladder: LadderFacts
    claims: tuple[Claim, ...]
    versions: dict[str, str]

    def to_json(self) -> bytes:
        """The bytes of `report.json`."""
        return (self.model_dump_json(indent=2) + "\n").encode()
