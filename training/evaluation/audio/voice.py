"""The voice encoder of the package `resemblyzer`: a speaker's embedding of a clip (generalised end-to-end loss).

The package's own code needs librosa and a detector of speech, to read and cut files. Its network is three LSTM layers
over a mel spectrogram, so it is computed here from the weights alone, which lie in the package; the embedding is that
of its `VoiceEncoder.forward` on `wav_to_mel_spectrogram` of a whole clip, raised to its loudness.
"""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from models.errors import AnytimeError
from training.audio.mel import mel_edges, mel_filters, power_spectrogram

PACKAGE = "resemblyzer"
WEIGHTS = "pretrained.pt"
SAMPLE_RATE = 16000  # Hz, of what it listens to
FEATURES = 256

_WINDOW, _HOP, _BANDS = 400, 160, 40  # 25 ms every 10 ms
_LAYERS = 3
_LOUDNESS = 10 ** (-30 / 20)  # root mean square to which quieter clips are raised, -30 dBFS


class VoiceEncoder(nn.Module):
    """Clips (B, T) in [-1, 1] at 16 kHz -> embeddings (B, 256), none negative, of length 1."""

    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(_BANDS, FEATURES, _LAYERS, batch_first=True)
        self.linear = nn.Linear(FEATURES, FEATURES)
        edges = mel_edges(SAMPLE_RATE, _BANDS)
        area = (2 / (edges[2:] - edges[:-2])).float()  # Slaney's: every band has the same area
        filters = mel_filters(SAMPLE_RATE, _WINDOW, _BANDS) * area[:, None]
        self.register_buffer("window", torch.hann_window(_WINDOW), persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, clips: Tensor) -> Tensor:
        """See the class."""
        mel = self.filters @ power_spectrogram(_loud_enough(clips), self.window, _HOP)
        _, (hidden, _) = self.lstm(mel.transpose(1, 2))
        return nn.functional.normalize(torch.relu(self.linear(hidden[-1])), dim=1)


def installed() -> bool:
    """Whether the package is there."""
    return find_spec(PACKAGE) is not None


def load_voice_encoder(device: torch.device) -> tuple[str, VoiceEncoder]:
    """The encoder with the installed package's weights, and the package's name and version.

    Raises:
        AnytimeError: if its weights are not what this version of the encoder needs.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise AnytimeError(f"the package {PACKAGE} is not installed: pip install {PACKAGE}")
    path = Path(spec.origin).with_name(WEIGHTS)
    encoder = VoiceEncoder()
    try:
        # The restricted reader: tensors and plain values, nothing that runs.
        stored: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
        encoder.load_state_dict({name: stored[name] for name in encoder.state_dict()})
    except (OSError, KeyError, RuntimeError, TypeError) as error:
        raise AnytimeError(f"{path}: does not hold the voice encoder's weights ({error})") from error
    return f"{PACKAGE}-{version(PACKAGE)}", encoder.to(device).eval().requires_grad_(False)


def _loud_enough(clips: Tensor) -> Tensor:
    """Quiet clips raised to the loudness that the encoder knows; silence stays silence."""
    loudness = clips.square().mean(1, keepdim=True).sqrt()
    return clips * torch.where(loudness > 0, _LOUDNESS / loudness, 1).clamp(min=1)
