"""How different two clips sound: the distance between their log-mel spectrograms at several resolutions.

As squared error falls first where a clip is loudest, a model trained on it alone leaves out what makes speech
intelligible: weak sounds, and everything whose phase cannot be told from a few codes. Comparing levels on a logarithmic
scale counts them. Windows of several lengths, since short ones blur pitch and long ones blur onsets.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.config import Media
from training.audio.mel import LogMel

WINDOWS = (0.016, 0.032, 0.064, 0.128)  # seconds
OVERLAP = 2  # windows that see a sample
MOST_BANDS = 64
BINS_PER_BAND = 4
SHORTEST = 16  # samples of a window


class LogMelDistance(nn.Module):
    """Mean absolute difference of levels over time, mel bands and resolutions, in dB."""

    def __init__(self, media: Media) -> None:
        """For audio of one channel.

        Raises:
            ValueError: if the media are not that.
        """
        super().__init__()
        if media.sample_rate is None or media.shape[0] != 1:
            raise ValueError(f"spectrograms are of audio with one channel, not of {media.type} {list(media.shape)}")
        windows = {max(SHORTEST, _power_of_two(seconds * media.sample_rate)) for seconds in WINDOWS}
        self.resolutions = nn.ModuleList(
            LogMel(media.sample_rate, size, size // OVERLAP, min(MOST_BANDS, size // 2 // BINS_PER_BAND))
            for size in sorted(windows)
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Of each pair of clips (B, 1, T): (B,)."""
        differences = [(levels(first) - levels(second)).abs().mean(dim=(1, 2)) for levels in self.resolutions]
        return torch.stack(differences).mean(0)


def _power_of_two(samples: float) -> int:
    """The power of two nearest to a number of samples, on a logarithmic scale."""
    return 1 << max(0, round(torch.tensor(samples).log2().item()))
