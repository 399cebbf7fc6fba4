"""What a client asks for, and how it is written. No I/O."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

import msgspec
from msgspec import Raw

from service.client.formats import format_of
from service.client.samples import Output, Sample

KEPT = 2  # codes that say what kind of thing it is


class Options(TypedDict, total=False):
    """What may be asked for; each is left to the server if it is left out.

    Fields:
        model: its name; may be left out where only one is loaded.
        deadline_ms: milliseconds from this call to the last byte of the answer.
        n: samples, with indices from `index` on.
        seed: decides the codes; random if left out, and comes back with the answer.
        index: of the first sample.
        codes: the first codes of every sample, given.
        label: class to draw, by name or index.
        temperature, top_k, top_p: how to draw.
        min_codes, max_codes, target_codes: the fewest worth sending, the most, and how many are enough.
        priority: 1, 2 or 3, of which 1 is the highest.
        scale: enlarge pictures by a whole factor.
        format: png, webp, jpeg, wav, flac, ogg or npy.
    """

    model: str | None
    deadline_ms: float | None
    n: int
    seed: int | None
    index: int
    codes: Sequence[int]
    label: str | int | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_codes: int
    max_codes: int | None
    target_codes: int | None
    priority: int
    scale: int
    format: str | None


class Further(TypedDict, total=False):
    """What may be asked for when going on with a sample, which says the rest; as in `Options`."""

    deadline_ms: float | None
    min_codes: int
    max_codes: int | None
    target_codes: int | None
    priority: int
    scale: int
    format: str | None


@dataclass(frozen=True)
class Request:
    """A request to generate: `fields` are those of `POST /v1/generate` without the deadline, None for none."""

    deadline_ms: float | None
    fields: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, options: Options) -> Request:
        """A request for what a caller has asked.

        Raises:
            TypeError: there is no such thing to ask for.
            ValueError: the deadline is no positive number.
        """
        unknown = sorted(set(options) - Options.__annotations__.keys())
        if unknown:
            raise TypeError(f"there is no {unknown[0]!r} to ask for, only {', '.join(Options.__annotations__)}")
        fields: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
        deadline_ms = fields.pop("deadline_ms", None)
        if deadline_ms is not None and not 0 < deadline_ms < math.inf:
            raise ValueError(f"a deadline is a positive number of milliseconds, not {deadline_ms}")
        return cls(deadline_ms, fields)

    def body(self, deadline_ms: float | None, **more: object) -> bytes:
        """As JSON, with this deadline in the place of its own, and with other members."""
        deadline = {} if deadline_ms is None else {"deadline_ms": Raw(f"{deadline_ms:.3f}".encode())}
        return msgspec.json.encode({**more, **self.fields, **deadline})

    def with_seed(self, seed: int) -> Request:
        """The same request for the samples of this seed."""
        return replace(self, fields={**self.fields, "seed": seed})


def refining(sample: Sample, options: Further) -> Request:
    """Ask for the same sample with more codes: those it has are sent along, and not drawn again."""
    same = {"seed": sample.seed, "index": sample.index, "codes": sample.codes}
    return Request.of(Options(**{**_kind(sample), **same, **options}))  # type: ignore[typeddict-item]


def varying(sample: Sample, n: int, keep: int, seed: int | None, options: Further) -> Request:
    """Ask for other samples that have the first `keep` codes in common with this one.

    Raises:
        ValueError: there are not as many codes to keep as that, or fewer than none.
    """
    if not 0 <= keep <= len(sample.codes):
        raise ValueError(f"keep must be from 0 to {len(sample.codes)}, the codes that the sample has, not {keep}")
    other = {"seed": seed, "n": n, "codes": sample.codes[:keep]}
    return Request.of(Options(**{**_kind(sample), **other, **options}))  # type: ignore[typeddict-item]


def _kind(sample: Sample) -> dict[str, object]:
    """What a sample and those to come of it have in common."""
    kind: dict[str, object] = {
        "model": sample.model if sample.version is None else f"{sample.model}@{sample.version}",
        "label": sample.label,
        "temperature": sample.temperature,
        "top_k": sample.top_k,
        "top_p": sample.top_p,
        "scale": sample.scale,
    }
    return {**kind, "format": format_of(sample.media_type)} if isinstance(sample, Output) else kind
