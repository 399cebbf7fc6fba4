"""From what a client asks to what the pool is given: the model found, defaults filled in, every field within bounds."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from math import isqrt
from typing import NamedTuple

from models.bundle.reader import AnyManifest
from models.config import Media
from service import messages
from service.api.codec_schemas import DecodeRequest
from service.api.problems import invalid_field
from service.api.schemas import LARGEST_SEED, GenerateRequest
from service.encode import check_encodable, formats_of
from service.errors import InvalidField, ModelNotFound
from service.pool import Generation
from service.registry import Catalogue
from service.settings import Settings

_LABELS_LISTED = 20


class Resolved(NamedTuple):
    """A request that can be served.

    Attributes:
        label: the class's name as the bundle has it.
        drawn: whether any code may be, else all are given, and neither seed nor label has a meaning.
    """

    manifest: AnyManifest
    generation: Generation
    label: str | None
    drawn: bool = True


def resolve(
    request: GenerateRequest,
    manifest: AnyManifest,
    settings: Settings,
    *,
    file_format: str | None = None,
    preview_ms: float | None = None,
    samples: int | None = None,
) -> Resolved:
    """Check a request against its model and the server's limits.

    Args:
        file_format: instead of the body's, if content negotiation chose one of the model's.
        samples: how many there are altogether, if this is one part of what a client asks for.

    Raises:
        InvalidField: every field that is out of bounds, in one error.
    """
    file_format = file_format or request.format or formats_of(manifest.media)[0]
    problems = (
        *_problems(request, manifest, settings, file_format),
        *problems_of_size(request.scale, samples or request.n, manifest.media, settings, file_format),
    )
    refuse_if_any(problems)
    label = None if request.label is None else label_index(request.label, manifest.labels)
    defaults = manifest.sampling
    generation = Generation(
        model=manifest.identity,
        n=request.n,
        sampling=messages.Sampling(
            seed=fresh_seed() if request.seed is None else request.seed,
            label=label,
            temperature=defaults.temperature if request.temperature is None else request.temperature,
            # More than there are is all of them.
            top_k=min(defaults.top_k if request.top_k is None else request.top_k, manifest.most_values),
            top_p=defaults.top_p if request.top_p is None else request.top_p,
            index=request.index,
            codes=tuple(request.codes),
        ),
        encoding=messages.Encoding(format=file_format, scale=request.scale),
        min_codes=request.min_codes,
        max_codes=request.max_codes or manifest.codes,
        # More than there are means all of them.
        target_codes=None if request.target_codes is None else min(request.target_codes, manifest.codes),
        priority=request.priority,
        preview_ms=preview_ms,
    )
    return Resolved(manifest, generation, None if label is None else manifest.labels[label])


def fresh_seed() -> int:
    """A seed for a request that names none."""
    return secrets.randbelow(LARGEST_SEED + 1)


def refuse_if_any(problems: Iterable[tuple[str, str]]) -> None:
    """Raise one InvalidField of fields that are out of bounds and what their bounds are, if there are any."""
    errors = [{"field": field, "message": message} for field, message in problems]
    if errors:
        raise InvalidField("; ".join(f"{each['field']}: {each['message']}" for each in errors), errors=errors)


def find_model(name: str | None, models: Catalogue, version: str | None = None) -> AnyManifest:
    """The model that a client names.

    Args:
        name: a name or an alias, `@version` behind it or not; None for the one that is meant then.
        version: the same, where it comes apart from the name.

    Raises:
        ModelNotFound: no such model is loaded.
        InvalidField: there is no name, and of several models none is the default.
    """
    manifest = models.unnamed if name is None else models.find(name, version)
    if manifest is None and name is None:
        names = ", ".join(sorted(models.names))
        raise invalid_field("model", f"must be one of {names}, since several models are loaded")
    if manifest is None:
        raise ModelNotFound(
            f"No model of that name and version is loaded; GET /v1/models lists the {len(models)} that are."
        )
    return manifest


def label_index(label: str | int, labels: tuple[str, ...]) -> int | None:
    """The index of a class, by index or by name (the exact name before other cases). None if there is no such class."""
    if isinstance(label, int):
        return label if 0 <= label < len(labels) else None
    if label in labels:
        return labels.index(label)
    folded = label.casefold()
    return next((index for index, name in enumerate(labels) if name.casefold() == folded), None)


def _problems(
    request: GenerateRequest, manifest: AnyManifest, settings: Settings, file_format: str
) -> Iterator[tuple[str, str]]:
    """Every field that is out of bounds, and what its bounds are."""
    if request.n > settings.max_samples:
        yield "n", f"must be at most {settings.max_samples} on this server"
    if request.label is not None and label_index(request.label, manifest.labels) is None:
        yield "label", _label_bounds(manifest.labels)
    if request.min_codes > manifest.codes:
        yield "min_codes", f"must be at most {manifest.codes}, the codes of a complete sample"
    if request.max_codes is not None and request.max_codes > manifest.codes:
        yield "max_codes", f"must be at most {manifest.codes}, the codes of a complete sample"
    if request.max_codes is not None and request.max_codes < request.min_codes:
        yield "max_codes", "must not be below min_codes"
    yield from _problems_of_codes(request, manifest)
    yield from problems_of_encoding(request, manifest.media, settings, file_format)


def _problems_of_codes(request: GenerateRequest, manifest: AnyManifest) -> Iterator[tuple[str, str]]:
    """What is wrong with the codes that are given."""
    most = request.max_codes or manifest.codes
    if len(request.codes) > most:
        yield "codes", f"must be at most {most}, the codes that this request may have"
    if problem := problem_of_values(request.codes, manifest):
        yield "codes", problem


def problem_of_values(codes: Sequence[int], manifest: AnyManifest) -> str | None:
    """What is wrong with the value of a code; None if every one could have been drawn."""
    values = manifest.code_values
    for place, code in enumerate(codes):
        most = values[min(place, len(values) - 1)]
        if not 0 <= code < most:
            each = min(values) == max(values)
            return f"must each be from 0 to {most - 1}" if each else f"must be from 0 to {most - 1} at place {place}"
    return None


def problems_of_encoding(
    request: GenerateRequest | DecodeRequest, media: Media, settings: Settings, file_format: str
) -> Iterator[tuple[str, str]]:
    """Why samples cannot be encoded as asked."""
    formats = formats_of(media)
    if request.format is not None and request.format not in formats:  # even where content negotiation chose another
        yield "format", f"must be one of {', '.join(formats)}, since this model's media type is {media.type}"
    elif media.type != "image" and request.scale != 1:
        yield "scale", f"must be 1, since only pictures are enlarged and this model's media type is {media.type}"
    elif request.scale > settings.max_scale:
        yield "scale", f"must be at most {settings.max_scale} on this server"
    else:
        try:
            check_encodable(media, file_format, request.scale)
        except ValueError as error:
            yield "format", str(error)


def problems_of_size(
    scale: int, samples: int, media: Media, settings: Settings, file_format: str, counted_by: str = "n"
) -> Sequence[tuple[str, str]]:
    """Whether the pictures of a request have too many pixels together, and what would be few enough.

    That the scale alone is out of bounds is for others to say.

    Args:
        counted_by: the field that says how many samples there are.
    """
    if media.type != "image" or scale > settings.max_scale:
        return ()
    _, height, width = media.shape
    n = min(samples, settings.max_samples)
    scale = 1 if file_format == "npy" else scale  # npy is never enlarged
    if n * scale * scale * height * width <= settings.max_pixels:
        return ()
    largest = isqrt(settings.max_pixels // (n * height * width))
    if largest:
        return [("scale", f"must be at most {largest}, for pictures of {height} by {width} and {n} of them")]
    most = settings.max_pixels // (height * width)
    return [(counted_by, f"must make at most {most} samples, for pictures of {height} by {width}")]


def listed(labels: tuple[str, ...]) -> str:
    """Classes by name, for a message: all of them, unless they are very many."""
    return ", ".join(labels[:_LABELS_LISTED]) + (", ..." if len(labels) > _LABELS_LISTED else "")


def _label_bounds(labels: tuple[str, ...]) -> str:
    if not labels:
        return "this model has no classes"
    return f"must be one of {listed(labels)}, or an index from 0 to {len(labels) - 1}"
