"""What every stage of a run is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

import torch
from torch import Tensor, nn

from models.build import Autoencoder, build_autoencoder
from models.prior import Prior, build_prior
from training.checkpoint import load_tensors
from training.data.dataset import Dataset
from training.evaluation.classifier import JudgeSource
from training.options import Optimisation
from training.processes import ALONE, Processes
from training.progress import RunProgress
from training.recipe import Experiment, Recipe
from training.state import TrainedStage

Network = TypeVar("Network", bound=nn.Module)
AnyRecipe_co = TypeVar("AnyRecipe_co", bound=Experiment, covariant=True)


@dataclass(frozen=True, slots=True)
class Run(Generic[AnyRecipe_co]):
    """One run: what was asked for, the data, and where results lie.

    A stage reads the results of those before it and writes its own atomically, so that it can be killed at any moment
    and started again. Whatever goes into the bundle follows from the recipe, the data and the machine alone: no times,
    no paths, so that a resumed run's bundle equals an unbroken one's byte for byte.

    Attributes:
        recipe: the validated recipe.
        dataset: train, validation and test splits.
        directory: the run's folder, `--out`.
        device: where networks are trained and run.
        progress: progress bars, lines and TensorBoard.
        checkpoint_seconds: the most time between two checkpoints of a trained stage, beside those at each epoch's end.
        judge: the classifier that judges the samples, where several runs must have the same; None is one of its own.
        processes: who share the trained stages' work.
    """

    recipe: AnyRecipe_co
    dataset: Dataset
    directory: Path
    device: torch.device
    progress: RunProgress
    checkpoint_seconds: float = 30.0
    judge: JudgeSource | None = None
    processes: Processes = ALONE

    def weights_path(self, stage: str) -> Path:
        """Where the float32 weights of a trained stage's best epoch lie."""
        return self.directory / f"{stage}.safetensors"

    def checkpoint_path(self, stage: str) -> Path:
        """Where a stage keeps what it needs to go on after an interruption; removed once the stage is complete."""
        return self.directory / "checkpoints" / f"{stage}.safetensors"

    @property
    def evaluation_directory(self) -> Path:
        """Where the evaluation writes its report, plots and samples."""
        return self.directory / "evaluation"

    @property
    def bundle_path(self) -> Path:
        """Where the export of a model that is served writes the bundle."""
        return self.directory / "bundle"

    def autocast(self, settings: Optimisation) -> torch.autocast:
        """Within, matrix products have the precision that a stage trains in."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=settings.precision == "bfloat16")


@dataclass(frozen=True, slots=True)
class RunContext(Run[Recipe]):
    """A run from data to bundle."""

    @property
    def codes_path(self) -> Path:
        """Where the codes of the training and validation images lie."""
        return self.directory / "codes.safetensors"

    def new_autoencoder(self) -> Autoencoder:
        """An untrained autoencoder of the recipe's shape, on the run's device."""
        return build_autoencoder(self.recipe.autoencoder, self.recipe.media).to(self.device)

    def new_prior(self) -> Prior:
        """An untrained prior of the recipe's shape, on the run's device."""
        shape = self.recipe.autoencoder
        return build_prior(self.recipe.prior, shape.codes, shape.codebook, len(self.recipe.labels)).to(self.device)

    def autoencoder(self) -> Autoencoder:
        """The trained autoencoder in eval mode, its weights rounded through half precision as they ship."""
        last: TrainedStage = "ordered" if self.recipe.stages.ordered else "autoencoder"
        return load_as_shipped(self.new_autoencoder(), self.weights_path(last))

    def prior(self) -> Prior:
        """The trained prior in eval mode, its weights rounded through half precision as they ship."""
        return load_as_shipped(self.new_prior(), self.weights_path("prior"))

    def codes(self, split: Literal["train", "validation"]) -> Tensor:
        """Code indices of a split, (N, K) int64, in the split's order."""
        return load_tensors(self.codes_path)[split].long()


def load_as_shipped(network: Network, path: Path) -> Network:
    """A network with the trained weights of a file, rounded through half precision, in eval mode."""
    network.load_state_dict({name: _as_shipped(tensor) for name, tensor in load_tensors(path).items()})
    return network.eval()


def _as_shipped(tensor: Tensor) -> Tensor:
    return tensor.half().float() if tensor.is_floating_point() else tensor
