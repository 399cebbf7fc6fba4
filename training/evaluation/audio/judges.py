"""Who judges clips: the voice encoder of `resemblyzer` where it is installed, else a classifier of spectrograms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
import torch
from torch import Tensor

from models.config import Media
from training.audio.pictures import brightness
from training.data.dataset import FULL_SCALE, Split
from training.evaluation.audio import voice
from training.evaluation.classifier import ClassifierConfig, Judge, Judgement, Task, train_or_load
from training.evaluation.reconstruction import to_bytes

AT_ONCE = 256
FRAMES = 64  # of a spectrogram that is classified


def judge_of_clips(
    cache: Path,
    config: ClassifierConfig,
    train: Split,
    labels: int,
    media: Media,
    device: torch.device,
    each_epoch: Callable[[str], None],
) -> Judge:
    """The judge for clips like these training clips.

    Args:
        cache: where a classifier that has to be trained is kept.
        config: of that classifier.
        each_epoch: told one line for each of the classifier's epochs, also where none is trained.
    """
    if voice.installed():
        name, encoder = voice.load_voice_encoder(device)
        judge = VoiceJudge(name, encoder, media, device)
        judge.learn(train, labels)
        for _ in range(config.epochs):
            each_epoch(f"{name}: comes trained")
        return judge
    spectrograms = Split(_pictures(train.images, media), train.labels)
    return SpectrogramJudge(train_or_load(cache, config, spectrograms, labels, device, each_epoch), media)


@dataclass(slots=True)
class VoiceJudge:
    """Features are the voice encoder's embeddings; a clip's label is the one whose mean embedding is most like its own.

    Attributes:
        name: the package and its version.
        centres: (labels, 256) float64, the direction of each label's mean embedding.
    """

    name: str
    encoder: voice.VoiceEncoder
    media: Media
    device: torch.device
    centres: Tensor | None = None

    @property
    def epochs(self) -> int:
        """See `Judge`: the package's weights are as they came."""
        return 0

    @property
    def task(self) -> Task:
        """See `Judge`."""
        return "labels" if self.centres is not None and len(self.centres) > 1 else "nothing"

    def learn(self, train: Split, labels: int) -> None:
        """Take each label's mean over the training clips; a label without clips is never predicted."""
        sums = torch.zeros(labels, voice.FEATURES, dtype=torch.float64)
        sums.index_add_(0, train.labels, self._embed(train.images))
        self.centres = torch.nn.functional.normalize(sums, dim=1)

    def judge(self, images: Tensor) -> Judgement:
        """Embeddings and predictions of clips (N, 1, T) int16."""
        if self.centres is None:
            raise RuntimeError("the judge has learnt no labels")
        features = self._embed(images)
        return Judgement(features, (features @ self.centres.T).argmax(1))

    @torch.inference_mode()
    def _embed(self, clips: Tensor) -> Tensor:
        """(N, 256) float64 on the host."""
        parts = []
        for chunk in torch.split(clips, AT_ONCE):
            heard = torch.from_numpy(self._at_its_rate(chunk[:, 0].numpy())).to(self.device)
            parts.append(self.encoder(heard).double().cpu())
        return torch.cat(parts)

    def _at_its_rate(self, clips: np.ndarray) -> np.ndarray:
        """(B, T) int16 -> (B, T') float32 in [-1, 1] at the encoder's sample rate."""
        samples = clips.astype(np.float32) / FULL_SCALE[torch.int16]
        if self.media.sample_rate == voice.SAMPLE_RATE:
            return samples
        resampled = [soxr.resample(clip, self.media.sample_rate, voice.SAMPLE_RATE) for clip in samples]
        return np.stack(resampled)


@dataclass(frozen=True, slots=True)
class SpectrogramJudge:
    """A classifier of pictures that looks at log-mel spectrograms."""

    classifier: Judge
    media: Media

    @property
    def name(self) -> str:
        """See `Judge`."""
        return f"log-mel-{self.classifier.name}"

    @property
    def epochs(self) -> int:
        """See `Judge`."""
        return self.classifier.epochs

    @property
    def task(self) -> Task:
        """See `Judge`: turns are of spectrograms."""
        return self.classifier.task

    def judge(self, images: Tensor) -> Judgement:
        """Features and predictions of clips (N, 1, T) int16."""
        return self.classifier.judge(_pictures(images, self.media))


def _pictures(clips: Tensor, media: Media) -> Tensor:
    """Log-mel spectrograms, (N, 1, bands, frames) uint8."""
    full = FULL_SCALE[torch.int16]
    return torch.cat([to_bytes(brightness(chunk / full, media, FRAMES)) for chunk in torch.split(clips, AT_ONCE)])
