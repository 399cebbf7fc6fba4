"""Sheets of spectrograms, and WAV files of what they show."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import Media
from training.audio.pictures import spectrograms
from training.data.dataset import FULL_SCALE
from training.evaluation import pictures
from training.evaluation.pictures import BY_FRACTION, RECONSTRUCTIONS, SAMPLES, Shown
from training.files import write_atomically

SAMPLES_WAV, BY_FRACTION_WAV, RECONSTRUCTIONS_WAV = (
    f"{Path(name).stem}.wav" for name in (SAMPLES, BY_FRACTION, RECONSTRUCTIONS)
)
PAUSE = 0.25  # seconds between two clips


def write(directory: Path, shown: Shown, media: Media) -> None:
    """Write the three sheets as spectrograms, and what they show as sound.

    `samples.wav` has the first sample of each label. `samples-by-fraction.wav` has, label after label, one sample from
    ever more of its codes; `reconstructions.wav` the same for test clips, each followed by its original.
    """
    pictures.write(directory, shown, lambda clips: paint(clips, media))
    originals, *rebuilt = shown.reconstructions.unbind(0)
    _write_sound(directory / SAMPLES_WAV, shown.samples[:, 0], media)
    _write_sound(directory / BY_FRACTION_WAV, shown.by_fraction.transpose(0, 1).flatten(0, 1), media)
    _write_sound(directory / RECONSTRUCTIONS_WAV, torch.stack([*rebuilt, originals], 1).flatten(0, 1), media)


def paint(clips: Tensor, media: Media) -> Tensor:
    """Clips (..., 1, T) int16 as coloured spectrograms (..., 3, H, W) uint8."""
    flat = clips.reshape(-1, *media.shape).float() / FULL_SCALE[torch.int16]
    painted = torch.from_numpy(np.rint(spectrograms(flat, media) * 255).astype(np.uint8))
    return painted.reshape(*clips.shape[:-2], *painted.shape[1:])


def _write_sound(path: Path, clips: Tensor, media: Media) -> None:
    """Clips (N, 1, T) int16 one after another, as a WAV file of 16 bits."""
    rate = media.sample_rate or 0
    pause = clips.new_zeros(len(clips), round(PAUSE * rate))
    samples: NDArray[np.int16] = torch.cat([clips[:, 0], pause], 1).flatten().numpy()
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, "PCM_16", format="WAV")
    write_atomically(path, buffer.getvalue())
