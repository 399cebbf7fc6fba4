"""`report.json` of Fig. 7: errors by number of latents, for ordered VAE, standard VAE and PCA."""

from __future__ import annotations

from typing import Any, Literal

from models.config import Frozen
from training.evaluation.intervals import Estimate
from training.evaluation.report import ERROR_UNIT, Claim, Curve, DataFacts


class VAEFacts(Frozen):
    """One VAE, measured on the test images; reconstructions come from the mean of q(z | x).

    Attributes:
        curve: by number of latents; none of them is the mean training image, as for PCA.
        rises: share of the pairs i < j for which Δ(j) is larger than Δ(i): 0 where latents are in the order of what
            they add, a half where the order means nothing.
        divergence: K estimates, the mean of KL(q(z_i | x) || p(z_i)) in nats. With a factorised q it is at least
            I(z_i; x | z_<i), the quantity of Theorem 1.
    """

    curve: Curve
    rises: float
    divergence: tuple[Estimate, ...]


class VAEReport(Frozen):
    """All that a run measured.

    Attributes:
        recipe: what was run; also holds the schedule.
        pca_clamped: principal components, the pictures clipped to [0, 1] as the decoder's are.
        pca_rises: as `VAEFacts.rises`.
        below_standard, below_pca: K estimates, how much lower the ordered VAE's error is with n = 1 .. K latents,
            paired by image.
    """

    kind: Literal["vae"] = "vae"
    format_version: Literal[1] = 1
    recipe: dict[str, Any]
    data: DataFacts
    latents: int
    unit: str = ERROR_UNIT
    ordered: VAEFacts
    standard: VAEFacts
    pca_clamped: Curve
    pca_rises: float
    below_standard: tuple[Estimate, ...]
    below_pca: tuple[Estimate, ...]
    claims: tuple[Claim, ...]
    versions: dict[str, str]

    def to_json(self) -> bytes:
        """The bytes of `report.json`."""
        return (self.model_dump_json(indent=2) + "\n").encode()
