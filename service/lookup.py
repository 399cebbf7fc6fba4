"""Names that somebody typed, among those that a server knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from models.errors import AnytimeError
from models.suggestions import did_you_mean
from service.client.samples import Model, Sample
from service.registry.catalogue import UNNAMED

_LISTED = 20


class Named(Protocol):
    """What has a name; the bare one means the default version, an alias exactly this."""

    @property
    def name(self) -> str:
        """The name."""

    @property
    def version(self) -> str:
        """The version."""

    @property
    def default(self) -> bool:
        """Whether the bare name means this version."""

    @property
    def aliases(self) -> Sequence[str]:
        """Other names for exactly this."""


AnyModel = TypeVar("AnyModel", bound=Named)


def model_named(name: str | None, models: Sequence[AnyModel], url: str) -> AnyModel:
    """The model of a name, a name and version, or an alias; without one, the one that the server takes then.

    Raises:
        AnytimeError: there is none of that name, or no name and of several models none is the default; says which
            there are.
    """
    labels = [label_of(each) for each in models]
    if name is None:
        if chosen := next((each for each in models if UNNAMED in each.aliases), None):
            return chosen
        if len({each.name for each in models}) == 1:
            return next((each for each in models if each.default), models[0])
        raise AnytimeError(f"{url} has several models, choose one with --model: {_listed(labels)}")
    spelled = {spelling: each for each in models for spelling in (label_of(each), _reference(each), *each.aliases)}
    if name not in spelled:
        near = did_you_mean(name, list(spelled))
        raise AnytimeError(f"{url} has no model {name!r}{near}, only {_listed(labels)}")
    return spelled[name]


def label_of(model: Named) -> str:
    """How to ask for exactly this model: by its name alone if that means this version."""
    return model.name if model.default else _reference(model)


def _reference(model: Named) -> str:
    return f"{model.name}@{model.version}"


def label_named(text: str | None, model: Model) -> str | int | None:
    """A label by name, in any case, or by index. Raises AnytimeError if the model has none of that name."""
    if text is None:
        return None
    known = {label.casefold() for label in model.labels}
    if text.casefold() in known:
        return text
    if text.isdecimal():
        return int(text)
    if not model.labels:
        raise AnytimeError(f"{model.name} has no labels; leave out --label")
    near = did_you_mean(text, model.labels)
    raise AnytimeError(f"{model.name} has no label {text!r}{near}, only {_listed(model.labels)}")


def model_of(sample: Sample, models: Sequence[Model], url: str) -> Model:
    """The model that a sample is of. Raises AnytimeError if it is not loaded, or is of another version now."""
    exact = (each for each in models if (each.name, each.version) == (sample.model, sample.version))
    model = next(exact, None) or model_named(sample.model, models, url)
    if sample.version is not None and sample.version != model.version:
        raise AnytimeError(
            f"the sample is of {sample.model} version {sample.version}, and {url} has version {model.version}, "
            "to which its codes mean something else"
        )
    return model


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
