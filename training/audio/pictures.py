"""Spectrograms as pictures, for grids, reports and TensorBoard."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import Media
from training.audio.mel import SILENCE, LogMel

WINDOW = 0.064  # seconds
BANDS = 64
FRAMES = 128  # about, across a clip


@torch.no_grad()
def brightness(clips: Tensor, media: Media, frames: int = FRAMES) -> Tensor:
    """Log-mel spectrograms of clips (B, 1, T), high tones on top: (B, 1, H, W) in [0, 1], 0 being silence."""
    rate, samples = media.sample_rate or 0, media.shape[-1]
    window = 1 << max(6, round(np.log2(WINDOW * rate)))
    log_mel = LogMel(rate, window, max(1, samples // frames), min(BANDS, window // 8)).to(clips.device)
    levels: Tensor = log_mel(clips)
    return (levels / -SILENCE + 1).clamp(0, 1).flip(1)[:, None]


def spectrograms(clips: Tensor, media: Media) -> NDArray[np.float32]:
    """The same in colour: (B, 3, H, W) in [0, 1]."""
    from matplotlib import colormaps

    shades = (brightness(clips, media)[:, 0].cpu().numpy() * 255).round().astype(np.uint8)
    coloured: NDArray[np.float32] = colormaps["magma"](shades)[..., :3].astype(np.float32)
    return np.ascontiguousarray(coloured.transpose(0, 3, 1, 2))


def as_pictures(samples: Tensor, media: Media) -> NDArray[np.float32]:
    """Samples (B, *media shape) as pictures (B, channels, H, W) in [0, 1]: audio becomes spectrograms."""
    return spectrograms(samples, media) if media.type == "audio" else samples.cpu().numpy()
