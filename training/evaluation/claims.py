"""What the model is claimed to do, checked against what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from training.evaluation.audio.report import AudioReconstructionFacts
from training.evaluation.intervals import Estimate, Proportion
from training.evaluation.report import Claim, ReconstructionFacts, SampleFacts

RECOGNISED = 0.8


def check(reconstruction: ReconstructionFacts, samples: SampleFacts) -> tuple[Claim, ...]:
    """Every claim, whether it holds or not; none about recognition where there is a single class to recognise."""
    sounds: tuple[Claim, ...] = ()
    if isinstance(reconstruction, AudioReconstructionFacts):
        sounds = (
            above(
                "difference_falls",
                "Every code makes a clip sound more like the original: it lowers the mean log-mel distance.",
                reconstruction.log_mel_gains,
            ),
        )
    return (
        above(
            "error_falls",
            "Every code lowers the mean reconstruction error: each Δ(i) is positive.",
            reconstruction.model.gains,
        ),
        above(
            "below_pca",
            "With n codes the mean reconstruction error is below that of n principal components, n = 1 .. K.",
            reconstruction.below_pca,
        ),
        *_recognised(samples.fractions[-1].recognition),
        above(
            "distance_falls",
            "The Fréchet distance of the samples falls from each fraction of the codes to the next.",
            samples.distance_drop,
        ),
        *sounds,
    )


def above(name: str, statement: str, values: Sequence[Estimate], threshold: float = 0.0) -> Claim:
    """The claim that every one of some values is above a threshold."""
    return Claim(
        name=name,
        statement=statement,
        holds=all(estimate.value > threshold for estimate in values),
        beyond_noise=all(estimate.low > threshold for estimate in values),
        threshold=threshold,
        values=tuple(values),
    )


def _recognised(share: Proportion | None) -> tuple[Claim, ...]:
    if share is None:
        return ()
    claim = Claim(
        name="recognised",
        statement=f"The extractor recognises at least {RECOGNISED:.0%} of the conditional samples at full length.",
        holds=share.value >= RECOGNISED,
        beyond_noise=share.low >= RECOGNISED,
        threshold=RECOGNISED,
        values=(Estimate(value=share.value, low=share.low, high=share.high),),
    )
    return (claim,)
