"""A study file: which variants of a recipe are compared, with which seeds, and what the comparison is to show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from models.config import Frozen
from models.errors import RecipeError
from models.suggestions import did_you_mean
from training.recipe import BUNDLED as RECIPES
from training.recipe import Recipe, find_recipe, parse_recipe, read_toml, sentence
from training.report.needs import NEEDED

BUNDLED = Path(__file__).resolve().parent.parent / "studies"

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class StudyError(RecipeError):
    """A study file that does not parse or does not make sense."""


class Variant(Frozen):
    """How one variant differs from the base recipe.

    Attributes:
        title: what plots and tables call it; none takes its name.
        remove: fields of the base recipe, by dotted path, that it does not have, such as `stages.ordered`.
        set: values, nested as in a recipe, laid over what is then left.
    """

    title: str = ""
    remove: tuple[str, ...] = ()
    set: dict[str, Any] = Field(default_factory=dict)


class FigureRequest(Frozen):
    """A figure that the study is for.

    Attributes:
        figure: its key, as in `training.report.needs`.
        claim: what the paper says that it shows, in our own words.
    """

    figure: str
    claim: str


class Study(Frozen):
    """One comparison.

    Attributes:
        name: also its file's.
        base: the recipe that variants start from: the name of a bundled one, a file (relative to the study's), or the
            recipe itself as a table.
        set: values laid over the base recipe for all variants.
        seeds: every variant is trained with each of them.
        variants: by name, in the order in which they are shown; what is first is what others are compared with.
    """

    name: Name
    title: str
    base: str | dict[str, Any]
    set: dict[str, Any] = Field(default_factory=dict)
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0, 1, 2)
    variants: Annotated[dict[Name, Variant], Field(min_length=1)]
    figures: Annotated[tuple[FigureRequest, ...], Field(min_length=1)]

    @field_validator("seeds")
    @classmethod
    def _seeds_are_distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("seeds must be distinct")
        return seeds

    @model_validator(mode="after")
    def _figures_have_their_variants(self) -> Study:
        for request in self.figures:
            if request.figure not in NEEDED:
                raise ValueError(f"figures: there is no figure {request.figure!r}, only {', '.join(NEEDED)}")
            for name in NEEDED[request.figure]:
                if name not in self.variants:
                    raise ValueError(f"variants: figure {request.figure} needs one with the name {name!r}")
        return self


def bundled_studies() -> tuple[str, ...]:
    """Names of the studies that come with the package."""
    return tuple(sorted(path.stem for path in BUNDLED.glob("*.toml")))


def load_study(study: str) -> Study:
    """Read a study by path, or by the name of one that comes with the package, and check each of its recipes.

    Raises:
        StudyError: naming the file, the field by its dotted path and what is wrong with it.
    """
    path = _find(study)
    values = read_toml(path)
    try:
        parsed = Study.model_validate({"name": path.stem, **values})
    except ValidationError as error:
        raise StudyError(f"{path}: {sentence(error, 'a study')}") from error
    base = _base(parsed.base, path)
    parsed = parsed.model_copy(update={"base": base})
    for variant in parsed.variants:
        recipe_of(parsed, variant, parsed.seeds[0], str(path))
    return parsed


def recipe_of(study: Study, variant: str, seed: int, origin: str = "") -> Recipe:
    """The recipe of one variant with one seed, under a name that says nothing of either.

    Args:
        study: as `load_study` gives it, with its base recipe as a table.
        origin: what messages call the study.

    Raises:
        RecipeError: if the variant's changes do not make a recipe.
    """
    differs = study.variants[variant]
    place = f"{origin or study.name}: variant {variant!r}"
    assert isinstance(study.base, dict)  # noqa: S101 (as load_study leaves it)
    values = _laid_over(study.base, study.set)
    for field in differs.remove:
        values = _without(values, field.split("."), f"{place}: remove: {field}")
    values = _laid_over(values, differs.set)
    return parse_recipe({**values, "name": "study", "description": "", "seed": seed}, place)


def _find(study: str) -> Path:
    path = Path(study)
    if path.is_file():
        return path
    names = bundled_studies()
    if study in names:
        return BUNDLED / f"{study}.toml"
    near = did_you_mean(study, names)
    raise StudyError(f"{study}: no such study file{near}, nor one of the bundled studies ({', '.join(names)})")


def _base(base: str | dict[str, Any], study: Path) -> dict[str, Any]:
    if isinstance(base, dict):
        return base
    beside = study.parent / base
    return read_toml(beside if beside.is_file() else find_recipe(base, RECIPES))


def _laid_over(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Values with changes put over them, table by table."""
    merged = dict(values)
    for key, change in changes.items():
        present = values.get(key)
        merged[key] = _laid_over(present, change) if isinstance(present, dict) and isinstance(change, dict) else change
    return merged


def _without(values: dict[str, Any], path: list[str], place: str) -> dict[str, Any]:
    key, *rest = path
    if key not in values or (rest and not isinstance(values[key], dict)):
        raise StudyError(f"{place} is not in the base recipe")
    if rest:
        return {**values, key: _without(values[key], rest, place)}
    return {name: value for name, value in values.items() if name != key}
