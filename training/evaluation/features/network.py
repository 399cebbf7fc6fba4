"""What is common to these networks: pictures as they are stored in, features out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.errors import DataError
from training.evaluation.classifier import Judge, Judgement, Task

AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class FeatureNetwork:
    """A network under the name that its weights have.

    Attributes:
        name: part of every distance's name.
        network: (B, 3, H, W) float32 in [0, 255] -> (B, F).
    """

    name: str
    network: nn.Module
    device: torch.device

    @torch.inference_mode()
    def of(self, images: Tensor) -> Tensor:
        """Features of pictures (N, C, H, W) uint8, in grey or colour: (N, F) float64 on the host."""
        parts = []
        for chunk in torch.split(images, AT_ONCE):
            colour = chunk.to(self.device).float().expand(-1, 3, -1, -1)
            parts.append(self.network(colour.contiguous(memory_format=torch.channels_last)).double().cpu())
        return torch.cat(parts)


@dataclass(frozen=True, slots=True)
class FeatureJudge:
    """Compares by a network's features, and recognises labels, if there are several, by the local classifier.

    Attributes:
        classifier: None where there is nothing to tell apart.
    """

    features: FeatureNetwork
    classifier: Judge | None

    @property
    def name(self) -> str:
        """See `Judge`."""
        return self.features.name

    @property
    def epochs(self) -> int:
        """See `Judge`: of the classifier."""
        return self.classifier.epochs if self.classifier else 0

    @property
    def task(self) -> Task:
        """See `Judge`."""
        return self.classifier.task if self.classifier else "nothing"

    def judge(self, images: Tensor) -> Judgement:
        """Features and predicted labels of pictures (N, C, H, W) uint8."""
        features = self.features.of(images)
        if self.classifier is None:
            return Judgement(features, torch.zeros(len(images), dtype=torch.int64))
        return Judgement(features, self.classifier.judge(images).predictions)


def check_pictures(shape: tuple[int, ...]) -> None:
    """Raises DataError if samples of this shape are not pictures in grey or colour, which such a network looks at."""
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise DataError(f"only pictures with 1 or 3 channels can be compared by these features, not samples of {shape}")
