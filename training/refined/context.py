"""What every stage of a refined model's run is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.bundle.manifest import Manifest
from models.bundle.networks import Networks, load_networks
from models.errors import RecipeError
from models.refined.refiner import Refiner
from training.checkpoint import load_checkpoint
from training.context import Run, load_as_shipped
from training.data.dataset import Split
from training.evaluation.provenance import fingerprint_of, recipe_of
from training.files import CheckpointError
from training.refined.base import base_path, read_base
from training.refined.recipe import RefinedRecipe

PICTURES = "pictures"
REFINER = "refiner"


@dataclass(frozen=True, slots=True)
class RefinedContext(Run[RefinedRecipe]):
    """A run from an ordered model's bundle to that of a refined one."""

    @property
    def pictures_path(self) -> Path:
        """Where what the base makes of the training and validation images lies."""
        return self.directory / f"{PICTURES}.safetensors"

    def base(self) -> Networks:
        """The ordered model, on the run's device. Raises BundleError if it cannot be loaded."""
        return load_networks(base_path(self.recipe.base), str(self.device))

    def check_base(self) -> None:
        """See that the base is there, an ordered model of images like the recipe's, and trained on the same data.

        Raises:
            RecipeError: if it cannot be read, or naming the field in which the two differ.
        """
        recipe, manifest = self.recipe, read_base(self.recipe.base)
        wanted = {"media": manifest.media, "labels": manifest.labels, **_data_of(manifest)}
        for field, value in wanted.items():
            if getattr(recipe, field) != value:
                raise RecipeError(f"{field}: the base, {manifest.reference}, has {value!r}, the recipe another")
        if fingerprint_of(manifest) not in {None, self.dataset.fingerprint}:
            raise RecipeError(f"--data: is not the data that the base, {manifest.reference}, was trained on")

    def new_refiner(self) -> Refiner:
        """An untrained refiner, on the run's device."""
        return Refiner(self.recipe.refiner, self.recipe.pixels).to(self.device)

    def refiner(self) -> Refiner:
        """The trained refiner in eval mode, its weights rounded through half precision as they ship."""
        return load_as_shipped(self.new_refiner(), self.weights_path(REFINER))

    def pictures(self) -> dict[str, Split]:
        """What the base makes of the training and validation images, beside their labels.

        Raises:
            CheckpointError: if they are not there, or of another base.
        """
        tensors, facts = load_checkpoint(self.pictures_path)
        if facts.get("base") != read_base(self.recipe.base).identity:
            raise CheckpointError(f"{self.pictures_path}: is of another base than {self.recipe.base}; start a new run")
        labels = {"train": self.dataset.train.labels, "validation": self.dataset.validation.labels}
        return {name: Split(tensors[name], of_split) for name, of_split in labels.items()}


def _data_of(manifest: Manifest) -> dict[str, object]:
    """How the base's data was prepared, as far as its bundle tells."""
    recipe = recipe_of(manifest)
    return {} if recipe is None else {"data": recipe.data}
