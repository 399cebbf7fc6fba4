"""Reading a baseline's recipe."""

from __future__ import annotations

from pathlib import Path

from models.errors import RecipeError
from training.baselines.options import BaselineRecipe, PCAPriorRecipe, VAERecipe
from training.recipe import bundled_recipes, find_recipe, parse_as, read_toml

BUNDLED = Path(__file__).resolve().parent / "recipes"
KINDS: dict[str, type[VAERecipe] | type[PCAPriorRecipe]] = {"vae": VAERecipe, "pca-prior": PCAPriorRecipe}


def bundled_baselines() -> tuple[str, ...]:
    """Names of the baselines' recipes that come with the package."""
    return bundled_recipes(BUNDLED)


def load_baseline(recipe: str) -> BaselineRecipe:
    """Read a baseline's recipe by path, or by the name of one that comes with the package.

    Raises:
        RecipeError: naming the file, the field by its dotted path and what is wrong with it.
    """
    path = find_recipe(recipe, BUNDLED)
    values = read_toml(path)
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        known = " or ".join(repr(name) for name in KINDS)
        raise RecipeError(f"{path}: kind: should be {known}" + ("" if kind is None else f", got {kind!r}"))
    return parse_as(KINDS[kind], values, str(path))
