"""Invented reports of baselines, and of speech, that never were trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile
from toy_baselines import toy_pca_prior, toy_vae
from toy_sound import RATE, VOICES, WINDOW, voices_recipe
from toy_study import invented

from training.baselines.pca_prior.report import PCAPriorReport, SpaceFacts
from training.baselines.vae.report import VAEFacts, VAEReport
from training.evaluation.audio.report import AudioReconstructionFacts, AudioReport
from training.evaluation.audio.sheets import BY_FRACTION_WAV, PAUSE
from training.evaluation.intervals import Estimate
from training.evaluation.pictures import BY_FRACTION
from training.evaluation.report import Claim, Curve, DataFacts
from training.report.collect import Finished, FinishedPCAPrior, FinishedVAE

DATA = DataFacts(
    name="toy", licence=None, fingerprint="d", shape=(1, 8, 8), train_images=100, test_images=9, trained_on=True
)
CLAIM = Claim(name="c", statement="It is so.", holds=True, beyond_noise=False, threshold=0, values=())


def exact(value: float) -> Estimate:
    return Estimate(value=value, low=value, high=value)


def curve(errors: Sequence[float]) -> Curve:
    gains = [before - after for before, after in pairwise(errors)]
    return Curve(errors=tuple(map(exact, errors)), errors_per_pixel=tuple(errors), gains=tuple(map(exact, gains)))


def invented_vae(seed: int, ordered: Sequence[float], standard: Sequence[float], pca: Sequence[float]) -> FinishedVAE:
    """A finished run of both VAEs with these errors, n = 0 .. K."""
    facts = [VAEFacts(curve=curve(errors), rises=0.0, divergence=()) for errors in (ordered, standard)]
    report = VAEReport(
        recipe={},
        data=DATA,
        latents=len(ordered) - 1,
        ordered=facts[0],
        standard=facts[1],
        pca_clamped=curve(pca),
        pca_rises=0.0,
        below_standard=(),
        below_pca=(),
        claims=(CLAIM,),
        versions={"python": "3"},
    )
    return FinishedVAE(Path("nowhere"), toy_vae().model_copy(update={"seed": seed}), "d", report)


def invented_pca_prior(folder: Path, seed: int, pixels: float, coefficients: float, png: bytes) -> FinishedPCAPrior:
    """A finished run of appendix D with these bits per dim, and a picture of samples."""
    spaces = [
        SpaceFacts(
            symbols=4,
            bits_per_dim=exact(bits),
            marginal_bits_per_dim=exact(bits + 1),
            bits_by_position=(bits,) * 4,
            validation_bits_per_dim=bits,
        )
        for bits in (pixels, coefficients)
    ]
    report = PCAPriorReport(
        recipe={},
        data=DATA,
        shape=(1, 2, 2),
        pixels=spaces[0],
        coefficients=spaces[1],
        excess=exact(coefficients - pixels),
        reduced=("2 epochs instead of 50",),
        claims=(CLAIM,),
        versions={"python": "3"},
    )
    (folder / "evaluation").mkdir(parents=True, exist_ok=True)
    (folder / "evaluation/samples.png").write_bytes(png)
    return FinishedPCAPrior(folder, toy_pca_prior().model_copy(update={"seed": seed}), "d", report)


def invented_speech(
    folder: Path, seed: int, distances: Sequence[float], log_mel: Sequence[float], png: bytes
) -> Finished:
    """A finished run on clips: distances by fraction, log-mel distances by length, spectrograms and sounds."""
    fractions = (0.0625, 0.25, 1.0)
    recipe = voices_recipe(seed=seed, labels=list(VOICES))
    image = invented(recipe, [5.0] * len(log_mel), distances, fractions=fractions, pca=[5.0] * len(log_mel))
    facts = image.report.reconstruction
    heard = AudioReconstructionFacts(
        **{name: getattr(facts, name) for name in ("images", "model", "pca", "pca_clamped", "below_pca", "quality")},
        log_mel=tuple(map(exact, log_mel)),
        log_mel_gains=(),
    )
    values = {name: getattr(image.report, name) for name in type(image.report).model_fields}
    values["data"] = image.report.data.model_copy(update={"shape": (1, WINDOW)})
    clips = len(VOICES) * len(fractions)
    (folder / "evaluation").mkdir(parents=True, exist_ok=True)
    (folder / "evaluation" / BY_FRACTION).write_bytes(png)
    sound = np.tile(np.r_[np.full(WINDOW, 0.5), np.zeros(round(PAUSE * RATE))], clips)
    soundfile.write(folder / "evaluation" / BY_FRACTION_WAV, sound, RATE, "PCM_16")
    return replace(image, directory=folder, report=AudioReport(**{**values, "reconstruction": heard}))
