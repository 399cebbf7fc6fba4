"""Mel spectrograms in plain PyTorch, differentiable, on any device."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FLOOR = 1e-6  # power below which everything is silence: 60 dB under a full-scale sine
SILENCE = -60.0  # the same as a level, in dB

# Slaney's scale: linear below the corner, logarithmic above, continuous at it.
_HERTZ_PER_MEL = 200 / 3
_CORNER = 1000.0  # Hz
_STEPS, _RATIO = 27, 6.4  # so many mels above the corner lie between it and 6.4 times its frequency


def power_spectrogram(x: Tensor, window: Tensor, hop: int) -> Tensor:
    """Squared magnitudes of the short-time Fourier transform, the clip continued by silence on both sides.

    Args:
        x: (B, T).
        window: (W,), as long as the transform.
        hop: samples between two frames.

    Returns:
        (B, W // 2 + 1, T // hop + 1).
    """
    size = len(window)
    spectrum = torch.stft(x, size, hop, size, window, center=True, pad_mode="constant", return_complex=True)
    return spectrum.real.square() + spectrum.imag.square()


def mel_filters(sample_rate: int, window: int, bands: int) -> Tensor:
    """Triangles of height 1, evenly spaced in mels between 0 Hz and half the sample rate: (bands, window // 2 + 1).

    Each rises from the centre of the band below to its own and falls to that of the band above.
    """
    edges = mel_edges(sample_rate, bands)
    bins = torch.linspace(0, sample_rate / 2, window // 2 + 1, dtype=torch.float64)
    below, centre, above = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - below) / (centre - below), (above - bins) / (above - centre)
    return torch.minimum(rising, falling).clamp(min=0).float()


def mel_edges(sample_rate: int, bands: int) -> Tensor:
    """(bands + 2,) float64, Hz: band i lies between edges i and i + 2."""
    highest = _to_mel(torch.tensor(sample_rate / 2, dtype=torch.float64)).item()
    return _to_hertz(torch.linspace(0, highest, bands + 2, dtype=torch.float64))


def _to_mel(hertz: Tensor) -> Tensor:
    corner = _CORNER / _HERTZ_PER_MEL
    above = corner + torch.log(hertz.clamp(min=_CORNER) / _CORNER) * _STEPS / torch.log(torch.tensor(_RATIO))
    return torch.where(hertz < _CORNER, hertz / _HERTZ_PER_MEL, above)


def _to_hertz(mel: Tensor) -> Tensor:
    corner = _CORNER / _HERTZ_PER_MEL
    above = _CORNER * torch.exp((mel - corner) * torch.log(torch.tensor(_RATIO, dtype=torch.float64)) / _STEPS)
    return torch.where(mel < corner, mel * _HERTZ_PER_MEL, above)


class LogMel(nn.Module):
    """Clips (B, 1, T) -> levels (B, bands, T // hop + 1) in dB; 0 is a full-scale sine, `SILENCE` the least.

    Args:
        window: samples of the Hann window.
        hop: samples between two frames.
        bands: few enough for each to hold a bin of the transform.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, sample_rate: int, window: int, hop: int, bands: int) -> None:
        super().__init__()
        self.hop = hop
        self.register_buffer("window", torch.hann_window(window))
        # A full-scale sine in the middle of a bin has the magnitude of half the window's sum.
        scale = (window / 4) ** -2
        self.register_buffer("filters", mel_filters(sample_rate, window, bands) * scale)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        power = self.filters @ power_spectrogram(x.squeeze(1), self.window, self.hop)
        return 10 * torch.log10(power + FLOOR)
