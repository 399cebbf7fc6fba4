"""Voices that are easily told apart: folders of tones, and a recipe that learns them in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from factories import tiny_audio_manifest
from toy_files import write_sound

from training.recipe import Recipe

RATE = 8000
WINDOW = 400  # samples of a clip
VOICES = {"high": 2000.0, "low": 250.0}  # Hz


def write_voices(folder: Path, files: int = 30, seed: int = 0) -> Path:
    """One subfolder per voice, each with files of a tone that comes and goes, 3 windows long."""
    generator = np.random.default_rng(seed)
    time = np.arange(3 * WINDOW) / RATE
    for voice, hertz in VOICES.items():
        for number in range(files):
            tone = np.sin(2 * np.pi * (hertz * generator.uniform(0.95, 1.05) * time + generator.uniform()))
            swell = np.sin(np.pi * (time / time[-1] + generator.uniform())) ** 2
            samples = 0.5 * swell * tone + 0.01 * generator.standard_normal(len(time))
            write_sound(folder / voice / f"{number}.wav", (samples * 32767).astype(np.int16), RATE)
    return folder


def voices_recipe(**changes: Any) -> Recipe:
    """6 codes out of 8 on clips of a twentieth of a second, with a loss on spectrograms and the decoder for audio."""
    manifest = tiny_audio_manifest("voices")
    stage = {"epochs": 4, "batch": 16, "learning_rate": 5e-3}
    return Recipe.model_validate(
        {
            **manifest.model_dump(include={"name", "description", "prior"}),
            "media": {"type": "audio", "shape": [1, WINDOW], "sample_rate": RATE},
            "autoencoder": {**manifest.autoencoder.model_dump(), "decoder": "upsample"},
            "seed": 3,
            "data": {"validation": 0.2},
            "stages": {
                "autoencoder": {**stage, "spectral": 0.1},
                "ordered": {**stage, "spectral": 0.1},
                "prior": stage,
            },
            "evaluate": {"samples_per_class": 20, "classifier_epochs": 3},
            **changes,
        }
    )
