"""The local judge: a small convolutional classifier trained on the real training images.

Its verdicts give the recognition rate of samples, its penultimate activations the features of the Fréchet distance.
Both depend on its weights, so its name carries a digest of all that they follow from. Where the data has a single class
it learns which way up a picture is instead, and nothing is recognised.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from models.config import PositiveInt
from training.checkpoint import load_checkpoint, save_checkpoint
from training.data.dataset import Split, fingerprint
from training.evaluation.turns import at_random, turned, turns_of
from training.files import CheckpointError
from training.options import Optimisation, PositiveFloat, Share
from training.schedule import learning_rate
from training.seeds import derive_seed, shuffled

REVISION = 1  # raised whenever a change to this file changes what is learnt
JUDGED_AT_ONCE = 100  # more would not stay in a core's cache


class ClassifierConfig(Optimisation):
    """Shape and training of the classifier; with the training images it determines the weights.

    Attributes:
        seed: of the first weights, the order of the images and the dropout.
        widths: channels of each block of convolution, 2x2 maximum, batch norm and ReLU.
        features: size of the penultimate layer.
    """

    seed: int
    learning_rate: PositiveFloat = 2e-3
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup: Share = 0.2
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    dropout: float = 0.25
    widths: tuple[PositiveInt, ...] = (24, 48, 64)
    features: PositiveInt = 128


@dataclass(frozen=True, slots=True)
class JudgeSource:
    """A classifier to be trained, or taken from its cache: how, on what, and where it is kept.

    Attributes:
        real: folder where evaluations that share it keep what they measure of real samples; None keeps nothing.
    """

    config: ClassifierConfig
    train: Split
    cache: Path
    real: Path | None = None


class Judgement(NamedTuple):
    """What the classifier makes of N images.

    Attributes:
        features: (N, F) float64 penultimate activations, on the host.
        predictions: (N,) int64, on the host.
    """

    features: Tensor
    predictions: Tensor


# What a judge has learnt to tell apart: the data's classes, quarter turns, or nothing since there is one class.
Task = Literal["labels", "turns", "nothing"]


class Judge(Protocol):
    """Who judges samples, under a name that identifies its weights."""

    @property
    def task(self) -> Task:
        """What its predictions are of."""

    @property
    def name(self) -> str:
        """Part of every Fréchet distance's name."""

    @property
    def epochs(self) -> int:
        """For how many it was trained here; 0 if it came trained."""

    def judge(self, images: Tensor) -> Judgement:
        """Features and predicted labels of N samples as a split stores them."""


class Classifier(nn.Module):
    """Blocks of convolution, pooling, batch norm and ReLU, a penultimate layer and a linear head."""

    def __init__(self, config: ClassifierConfig, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        blocks: list[nn.Module] = []
        for outputs in config.widths:
            blocks += [
                nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
                nn.MaxPool2d(2, ceil_mode=True),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
            channels, height, width = outputs, -(-height // 2), -(-width // 2)
        flattened = channels * height * width
        self.trunk = nn.Sequential(
            *blocks, nn.Flatten(), nn.Dropout(config.dropout), nn.Linear(flattened, config.features), nn.ReLU()
        )
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.features, classes))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) float32 in [0, 1] -> features (B, F), logits (B, classes)."""
        features = self.trunk(x.contiguous(memory_format=torch.channels_last))
        return features, self.head(features)


@dataclass(frozen=True, slots=True)
class Extractor:
    """A trained classifier under its name.

    Attributes:
        name: architecture and the first digits of the digest of everything the weights follow from.
        epochs: for how many it was trained.
        task: what it has learnt.
    """

    name: str
    epochs: int
    task: Task
    network: Classifier
    device: torch.device

    @torch.inference_mode()
    def judge(self, images: Tensor) -> Judgement:
        """Features and predictions of images (N, C, H, W) uint8; generated ones are rounded to bytes first."""
        features, predictions = [], []
        for start in range(0, len(images), JUDGED_AT_ONCE):
            batch = images[start : start + JUDGED_AT_ONCE].to(self.device).float().div_(255)
            activations, logits = self.network(batch)
            features.append(activations.double().cpu())
            predictions.append(logits.argmax(-1).cpu())
        return Judgement(torch.cat(features), torch.cat(predictions))


def train_or_load(
    cache: Path,
    config: ClassifierConfig,
    train: Split,
    classes: int,
    device: torch.device,
    each_epoch: Callable[[str], None],
) -> Extractor:
    """The classifier for these images: from the cache if that holds this very one, else trained and cached.

    Training is a function of its arguments and the machine alone, so a run that was killed starts it again and
    ends with the same weights.

    Args:
        cache: safetensors file, replaced if it belongs to other data or another configuration.
        classes: how many the data has; with one it learns turns.
        each_epoch: told one line after each epoch, also for the epochs a cached classifier need not repeat.
    """
    key, shape = judge_key(config, train, classes, device), tuple(train.images.shape[1:])
    task: Task = "labels" if classes > 1 else "turns"
    network = _build(config, shape, classes if classes > 1 else turns_of(shape)).to(device)
    weights = _cached(cache, key)
    if weights is None:
        for line in _train(network, config, train, task):
            each_epoch(line)
        save_checkpoint(cache, network.state_dict(), {"key": key})
    else:
        network.load_state_dict(weights)
        for _ in range(config.epochs):
            each_epoch("classifier: cached")
    network.eval().requires_grad_(False)
    learnt = "" if task == "labels" else f"-{task}"
    return Extractor(f"local-cnn{learnt}-{config.features}-{key[:8]}", config.epochs, task, network, device)


def judge_key(config: ClassifierConfig, train: Split, classes: int, device: torch.device) -> str:
    """A digest of all that a classifier's weights follow from."""
    what = classes if classes > 1 else "turns"
    parts = (REVISION, torch.__version__, device.type, what, config.model_dump_json(), fingerprint(train))
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def _cached(cache: Path, key: str) -> dict[str, Tensor] | None:
    try:
        stored = load_checkpoint(cache)
    except CheckpointError:
        # A missing or damaged cache costs a training, not the evaluation.
        return None
    return stored.tensors if stored.facts.get("key") == key else None


def _build(config: ClassifierConfig, shape: tuple[int, ...], classes: int) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(config.seed, "classifier", "weights"))
        network = Classifier(config, shape, classes)
    # The faster layout on a CPU, by about a third.
    nn.utils.convert_conv2d_weight_memory_format(network, torch.channels_last)
    return network


def _train(network: Classifier, config: ClassifierConfig, train: Split, task: Task) -> Iterator[str]:
    """AdamW on whole batches in a fresh order each epoch; yields one line per epoch."""
    device = next(network.parameters()).device
    batch = min(config.batch, len(train))
    steps = len(train) // batch  # the last, short batch of an epoch is left out: batch norm wants whole ones
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    network.train()
    for epoch in range(config.epochs):
        order = shuffled(len(train), config.seed, "classifier", epoch)
        total = torch.zeros((), device=device)
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(config.seed, "classifier", "dropout", epoch))
            for step, rows in enumerate(torch.split(order[: steps * batch], batch), start=epoch * steps):
                for group in optimiser.param_groups:
                    group["lr"] = learning_rate(config, step, config.epochs * steps)
                x, labels = train.batch(rows, device), train.labels[rows]
                if task == "turns":
                    labels = at_random(
                        len(x), tuple(x.shape[1:]), derive_seed(config.seed, "classifier", "turns", step)
                    )
                    x = turned(x, labels.to(device))
                _, logits = network(x)
                loss = cross_entropy(logits, labels.to(device))
                optimiser.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                optimiser.step()
                total += loss.detach()
        yield f"classifier epoch {epoch + 1} of {config.epochs}: loss {total.item() / steps:.4f}"
