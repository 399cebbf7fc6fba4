"""What the report of an audio model says beside that of an image model: how different its clips sound."""

from __future__ import annotations

from training.evaluation.intervals import Estimate
from training.evaluation.report import ReconstructionFacts, Report

ERROR_UNIT = "squared error of a clip, summed over samples, samples in [-1, 1]"
LOG_MEL_UNIT = "mean absolute difference of log-mel spectrograms at several resolutions, in dB"


class AudioReconstructionFacts(ReconstructionFacts):
    """Reconstructions of the test clips from their first n codes.

    Attributes:
        quality: of what the autoencoder was trained to lower: the squared error, and the log-mel distance with the
            weight that the recipe gives it.
        log_mel: K + 1 estimates, how different they sound from the originals, n = 0 .. K, in `LOG_MEL_UNIT`.
        log_mel_gains: K estimates, by how much each code lowers it.
    """

    unit: str = ERROR_UNIT
    zero_codes: str = (
        "the mean training clip, the best constant answer: the objective truncates to 1 .. K codes, so the decoder "
        "never learns what zero codes mean; PCA with no components is the same clip"
    )
    log_mel_unit: str = LOG_MEL_UNIT
    log_mel: tuple[Estimate, ...]
    log_mel_gains: tuple[Estimate, ...]


class AudioReport(Report):
    """The contents of an audio model's `report.json`. What its fields call images are clips."""

    reconstruction: AudioReconstructionFacts
    quality_curve_from: str = (
        "validation clips, held out of training: of what the autoencoder was trained to lower, the squared error, and "
        "the log-mel distance with the weight that the recipe gives it; monotone and concave fit"
    )
