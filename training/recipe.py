"""A training recipe: one experiment, read from TOML, validated before anything else happens."""

from __future__ import annotations

import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from models.bundle.reader import AnyManifest
from models.config import AnyAutoencoderConfig, Frozen, Media, PositiveInt, PriorConfig, SamplingDefaults, field_path
from models.errors import RecipeError
from models.suggestions import did_you_mean
from training.data.options import DataRecipe
from training.hierarchical.recipe import KIND as HIERARCHICAL
from training.hierarchical.recipe import HierarchicalRecipe
from training.options import AutoencoderStage, CodebookRecipe, Stages
from training.refined.recipe import KIND as REFINED
from training.refined.recipe import RefinedRecipe

BUNDLED = Path(__file__).resolve().parent / "recipes"
Parsed = TypeVar("Parsed", bound=Frozen)


class Experiment(Protocol):
    """What every recipe says, whatever it trains: a seed, and which data in what form."""

    @property
    def seed(self) -> int:
        """All randomness of the run follows from it."""

    @property
    def media(self) -> Media:
        """What a sample is."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The data set's classes; none takes those that the data has."""

    @property
    def data(self) -> DataRecipe:
        """How the data is prepared and split."""


class EvaluateRecipe(Frozen):
    """How much the evaluation measures.

    Attributes:
        images: held-out test images for reconstruction error; None takes all.
        samples_per_class: samples drawn, times the number of labels; each label as often as among the test samples.
        classifier_epochs: epochs of the classifier whose features and verdicts judge the samples.
        features: by what distances compare pictures: that classifier's, or those of a network that knows ImageNet.
        fractions: of the codes, at which samples are judged and shown; ascending, the last is 1. None takes
            what is usual for the media.
    """

    images: PositiveInt | None = None
    samples_per_class: PositiveInt = 1000
    classifier_epochs: PositiveInt = 10
    features: Literal["classifier", "imagenet"] = "classifier"
    fractions: tuple[float, ...] | None = None

    @field_validator("fractions")
    @classmethod
    def _fractions_ascend_to_all(cls, fractions: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if fractions is None:
            return None
        ascending = all(before < after for before, after in pairwise((0.0, *fractions)))
        if not ascending or not fractions or fractions[-1] != 1:
            raise ValueError("must ascend from above 0 to 1, the last of them")
        return fractions


class Recipe(Frozen):
    """One experiment, from data to bundle.

    Attributes:
        name: also the bundle's name.
        seed: all randomness of the run follows from it.
        labels: the data set's classes, in the order of their indices; none takes the names that the data has.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    media: Media
    labels: tuple[str, ...] = ()
    autoencoder: AnyAutoencoderConfig
    codebook: CodebookRecipe = CodebookRecipe()
    prior: PriorConfig
    sampling: SamplingDefaults = SamplingDefaults()
    data: DataRecipe
    stages: Stages
    evaluate: EvaluateRecipe = EvaluateRecipe()

    @field_validator("labels")
    @classmethod
    def _labels_are_distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) != len(labels):
            raise ValueError("labels must be distinct")
        return labels

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        try:
            self.autoencoder.check(self.media)
        except ValueError as error:
            raise ValueError(f"autoencoder.{error}") from error
        if self.autoencoder.kind == "residual":
            self._has_nothing_to_quantise()
        elif self.stages.autoencoder is None:
            raise ValueError("stages.autoencoder: is missing")
        for name, stage in (("autoencoder", self.stages.autoencoder), ("ordered", self.stages.ordered)):
            if stage is not None and stage.spectral and self.media.type != "audio":
                raise ValueError(
                    f"stages.{name}.spectral: compares spectrograms of audio, and media.type is {self.media.type}; "
                    "leave it out"
                )
        if self.evaluate.features == "imagenet" and self.media.type != "image":
            raise ValueError(f"evaluate.features: imagenet is for images, and media.type is {self.media.type}")
        return self

    def _has_nothing_to_quantise(self) -> None:
        """Codes of the residual kind are chosen by the error itself, which must be exact and is no network's output.

        What steers a quantiser, rounds or compiles would have no effect, or none that is wanted.
        """
        if self.codebook != CodebookRecipe():
            raise ValueError('codebook: is for autoencoders of kind "convolutional"; leave it out')
        for name in ("autoencoder", "ordered"):
            stage = getattr(self.stages, name)
            for field in ("commitment", "spectral", "precision", "compile"):
                if stage is not None and getattr(stage, field) != AutoencoderStage.model_fields[field].default:
                    raise ValueError(
                        f'stages.{name}.{field}: is for autoencoders of kind "convolutional"; leave it out'
                    )


AnyRecipe = Recipe | HierarchicalRecipe | RefinedRecipe
# Kinds of recipes but those of ordered models, by what `kind` says.
_OTHERS: dict[Any, type[HierarchicalRecipe | RefinedRecipe]] = {
    HIERARCHICAL: HierarchicalRecipe,
    REFINED: RefinedRecipe,
}


def bundled_recipes(folder: Path = BUNDLED) -> tuple[str, ...]:
    """Names of the recipes that come with the package."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def load_recipe(recipe: str) -> Recipe:
    """Read the recipe of an ordered model by path, or by the name of one that comes with the package.

    Raises:
        RecipeError: naming the file, the field by its dotted path and what is wrong with it.
    """
    path = find_recipe(recipe, BUNDLED)
    return parse_recipe(read_toml(path), str(path))


def load_any_recipe(recipe: str) -> AnyRecipe:
    """Read a recipe of any kind of model like `load_recipe`: an ordered one, unless `kind` says otherwise."""
    path = find_recipe(recipe, BUNDLED)
    values = read_toml(path)
    if "kind" not in values:
        return parse_recipe(values, str(path))
    kind = values["kind"]
    if not isinstance(kind, str) or kind not in _OTHERS:
        known = " or ".join(repr(each) for each in _OTHERS)
        raise RecipeError(f"{path}: kind: should be {known}, or left out, got {kind!r}")
    return parse_as(_OTHERS[kind], values, str(path))


def recipe_in(manifest: AnyManifest) -> AnyRecipe:
    """The recipe in a bundle's provenance, with the labels that its data had.

    Raises:
        RecipeError: there is none, or none that this version understands.
    """
    values = manifest.training.get("recipe")
    kind: type[AnyRecipe] = _OTHERS.get(manifest.kind, Recipe)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"{manifest.name}: its bundle has no recipe to split the data by") from error


def read_toml(path: Path) -> dict[str, Any]:
    """The values of a TOML file. Raises RecipeError naming it if it cannot be read as one."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: is not valid TOML: {error}") from error


def parse_recipe(values: dict[str, Any], origin: str) -> Recipe:
    """Validate a recipe's values; `origin` says in errors where they came from.

    Raises:
        RecipeError: naming the origin, the field by its dotted path and what is wrong with it.
    """
    if values.get("kind") in (HIERARCHICAL, REFINED):
        raise RecipeError(f"{origin}: kind: is a {values['kind']} model's recipe, where an ordered model's is needed")
    return parse_as(Recipe, values, origin)


def parse_as(kind: type[Parsed], values: dict[str, Any], origin: str) -> Parsed:
    """Validate the values of a recipe of some kind. Raises RecipeError like `parse_recipe`."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"{origin}: {sentence(error, 'a recipe')}") from error


def find_recipe(recipe: str, folder: Path) -> Path:
    """The file of a recipe, by path or by its name in a folder of the package. Raises RecipeError if there is none."""
    path = Path(recipe)
    if path.is_file():
        return path
    names = bundled_recipes(folder)
    if recipe in names:
        return folder / f"{recipe}.toml"
    near = did_you_mean(recipe, names)
    raise RecipeError(f"{recipe}: no such recipe file{near}, nor one of the bundled recipes ({', '.join(names)})")


def sentence(error: ValidationError, what: str) -> str:
    """The first thing that is wrong with the values of `what` (a recipe), and how many more there are."""
    details = error.errors(include_url=False)
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return _sentence(details[0], what) + more


def _sentence(detail: ErrorDetails, what: str) -> str:
    field = field_path(detail["loc"])
    problem = detail["msg"].removeprefix("Value error, ")
    match detail["type"]:
        case "missing":
            return f"{field}: is missing"
        case "extra_forbidden":
            return f"{field}: is not a field of {what}"
    problem = problem[0].lower() + problem[1:]
    given = detail["input"]
    shown = f", got {given!r}" if isinstance(given, str | int | float | bool) else ""
    return f"{field}: {problem}{shown}" if field else problem
