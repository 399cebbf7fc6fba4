"""`report.json`: all that an evaluation measured, as numbers, with what is needed to measure it again.

It holds no times, paths or host names: the same model, data and seed on the same machine give the same bytes.
"""

from __future__ import annotations

from typing import Literal

from models.bundle.manifest import EightBitCheck, EightBitDistance
from models.config import Frozen, SamplingDefaults
from training.evaluation.intervals import Estimate, Proportion

REPORT = "report.json"
ERROR_UNIT = "squared error of an image, summed over channels and pixels, pixel values in [0, 1]"


class DataFacts(Frozen):
    """The images that were used.

    Attributes:
        name: the data set's name if its fingerprint is a known one, else "unknown".
        fingerprint: SHA-256 over images and labels before splitting.
        train_images: what the PCA learnt from, and the extractor unless a study gave it one.
        test_images: what everything was measured on.
        trained_on: whether the bundle's provenance names this data; None if it names none.
    """

    name: str
    licence: str | None
    fingerprint: str
    shape: tuple[int, ...]
    train_images: int
    test_images: int
    trained_on: bool | None


class ExtractorFacts(Frozen):
    """Who judges the samples: a local classifier, or a network that came trained.

    Attributes:
        name: identifies the weights; part of every FD's name.
        task: what it tells apart: the data's `labels`, or where these are of one class quarter `turns` of pictures;
            `nothing` if it came trained and there is one class.
        epochs: for how many it was trained; 0 if it came trained.
        test_accuracy: at its task, on the real test images; None if it has none.
        classifier: who recognises labels, where another's features are compared.
    """

    name: str
    task: Literal["labels", "turns", "nothing"] = "labels"
    features: int
    epochs: int
    seed: int
    test_accuracy: Proportion | None
    classifier: str | None = None


class Curve(Frozen):
    """Reconstruction error by code count and what each code takes off it.

    Attributes:
        errors: K + 1 estimates, n = 0 .. K, in `ERROR_UNIT`.
        errors_per_pixel: the same values divided by C * H * W.
        gains: K estimates, Δ(i) of Eq. (7), i = 1 .. K.
    """

    errors: tuple[Estimate, ...]
    errors_per_pixel: tuple[float, ...]
    gains: tuple[Estimate, ...]


class ReconstructionFacts(Frozen):
    """Reconstructions of the test images from their first n codes, beside PCA with n components (Fig. 3).

    Attributes:
        zero_codes: what err(0) is the error of, and why.
        pca: plain principal components.
        pca_clamped: the same pictures clipped to [0, 1], as the decoder's are; never worse than `pca`.
        below_pca: K estimates, how much lower the model's error is than that of `pca_clamped`, n = 1 .. K.
        quality: K + 1 numbers, (err(0) - err(n)) / (err(0) - err(K)) as measured here, not fitted; None if no
            error is saved at all.
    """

    unit: str = ERROR_UNIT
    zero_codes: str = (
        "the mean training image, the best constant answer: the objective truncates to 1 .. K codes, so the decoder "
        "never learns what zero codes mean; PCA with no components is the same picture"
    )
    images: int
    model: Curve
    pca: Curve
    pca_clamped: Curve
    below_pca: tuple[Estimate, ...]
    quality: tuple[float, ...] | None


class FractionFacts(Frozen):
    """Samples decoded from one fraction of their codes.

    Attributes:
        distance: FD to the reference, with a bootstrap interval.
        recognition: share of samples that the extractor assigns to the label they were drawn for; None of data with a
            single class, which would be all of them.
        recognition_by_label: the same for each label.
    """

    fraction: float
    codes: int
    distance: Estimate
    recognition: Proportion | None
    recognition_by_label: dict[str, Proportion]


class SampleFacts(Frozen):
    """Conditional samples, with labels as often as the test samples have them.

    Sample i is what the service draws for (seed, i).

    Attributes:
        distance_drop: by how much FD falls from each fraction to the next, paired by sample.
    """

    count: int
    seed: int
    sampling: SamplingDefaults
    fractions: tuple[FractionFacts, ...]
    distance_drop: tuple[Estimate, ...]


class DistanceFacts(Frozen):
    """How to read the Fréchet distances.

    Attributes:
        name: FID only over the features, of the published weights, that others mean by that.
        reference: the set on the real side.
        floor: FD of two disjoint random sets of real training images to the reference, what real images
            themselves reach.
        floor_images: images in each of these.
        reconstructions: FD of the test images' reconstructions from all codes: what the autoencoder alone costs.
    """

    name: str
    reference: str
    reference_images: int
    floor: tuple[float, float]
    floor_images: int
    reconstructions: float
    reconstructions_recognised: Proportion | None

    @property
    def kind(self) -> str:
        """FD or FID."""
        return self.name.partition(" ")[0]


class DecodedDifference(Frozen):
    """How two executors differ in what they decode from the same codes.

    Attributes:
        rms, largest: in the steps in which samples are stored, before they are rounded to them.
        snr_db: of clips, 10 log10 of their energy over the difference's; None of pictures, or if there is none.
    """

    rms: float
    largest: float
    snr_db: float | None = None


class EightBitFractionFacts(Frozen):
    """Samples with eight bits and in full precision, from one fraction of their codes.

    Attributes:
        full_precision, eight_bit: FD to the same reference.
        ratio: of the second to the first.
        recognised_full_precision, recognised_eight_bit: None of data with a single class.
        decoded: the difference that is the decoder's alone.
    """

    fraction: float
    codes: int
    full_precision: float
    eight_bit: float
    ratio: float
    recognised_full_precision: Proportion | None
    recognised_eight_bit: Proportion | None
    decoded: DecodedDifference


class EightBitFacts(Frozen):
    """What eight bits cost, on as many samples with the same labels and seeds.

    Attributes:
        executor, beside: by what names the two are chosen.
        revision: of the first, as `EIGHT_BIT_REVISION` has it.
        decoded_twice: how many samples' codes in full precision both decoded, PyTorch for full precision.
        decoded_steps: what differences between these are in.
        agreement: share of all codes that are the same; `first` and `last` of each sample's first and last.
        passed: whether no FD is more than 2% above that of full precision.
    """

    executor: str
    beside: str
    revision: int
    samples: int
    decoded_twice: int
    decoded_steps: str
    agreement: float
    agreement_first: float
    agreement_last: float
    fractions: tuple[EightBitFractionFacts, ...]
    passed: bool

    def recorded(self, distance: str) -> EightBitCheck:
        """What a bundle says of it; `distance` is by what name distances are known."""
        fractions = tuple(
            EightBitDistance(codes=each.codes, full_precision=each.full_precision, eight_bit=each.eight_bit)
            for each in self.fractions
        )
        return EightBitCheck(
            revision=self.revision,
            samples=self.samples,
            distance=distance,
            agreement=self.agreement,
            fractions=fractions,
        )


class Claim(Frozen):
    """One statement about the model, checked against the numbers above.

    Attributes:
        holds: whether the observed values satisfy it.
        beyond_noise: whether they would still at the unfavourable end of every 95% interval involved.
        values: the numbers behind it, each to be positive, or to reach `threshold` where that is not 0.
    """

    name: str
    statement: str
    holds: bool
    beyond_noise: bool
    threshold: float
    values: tuple[Estimate, ...]


class Report(Frozen):
    """The contents of `report.json`.

    Attributes:
        quality_curve: K + 1 numbers, the bundle's fitted curve.
        quality_curve_from: on which images it was fitted.
        eight_bit: what eight bits cost, or why that was not found out; None in older reports.
        versions: of Python and of the libraries that computed this.
    """

    format_version: Literal[1] = 1
    model: str
    model_version: str
    codes: int
    codebook: int
    seed: int
    data: DataFacts
    extractor: ExtractorFacts
    reconstruction: ReconstructionFacts
    quality_curve: tuple[float, ...]
    quality_curve_from: str = "validation images, held out of training; monotone and concave fit"
    distance: DistanceFacts
    samples: SampleFacts
    eight_bit: EightBitFacts | str | None = None
    claims: tuple[Claim, ...]
    versions: dict[str, str]

    def to_json(self) -> bytes:
        """The bytes of `report.json`."""
        return (self.model_dump_json(indent=2) + "\n").encode()
