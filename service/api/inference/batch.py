"""From tensors to requests for samples: one for each run of samples that are drawn alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from pydantic import ValidationError

from models.bundle.reader import AnyManifest
from service.api.inference.schemas import Parameters
from service.api.inference.tensors import Tensor
from service.api.problems import from_validation, invalid_field
from service.api.resolve import fresh_seed
from service.api.schemas import GenerateRequest
from service.errors import Malformed
from service.scheduler import NORMAL
from service.settings import Settings


class _Sample(NamedTuple):
    """What decides one sample's codes; `at` is its index."""

    label: str | int | None
    codes: tuple[int, ...]
    seed: int
    at: int


def requests_of(
    tensors: Mapping[str, Tensor], parameters: Parameters, manifest: AnyManifest, settings: Settings, *, files: bool
) -> list[GenerateRequest]:
    """The requests for samples that an inference stands for; their samples in order are the batch.

    A seed for all keys sample i with the index `index + i`, as `n` does in `POST /v1/generate`; with seeds of their own
    all have the index `index`, as requests of one sample each.

    Args:
        files: whether samples are wanted as files, instead of as numbers.

    Raises:
        Malformed: tensors that do not go together.
        InvalidField: a value that is out of bounds.
    """
    samples = _samples(tensors, parameters, settings)
    if not files and (parameters.format or parameters.scale != 1):
        raise invalid_field(
            "format" if parameters.format else "scale", "is for the output encoded, which is not asked for"
        )
    common: dict[str, Any] = {
        **parameters.drawing(),
        "model": manifest.name,
        "deadline_ms": _deadline_ms(parameters),
        "priority": parameters.priority or NORMAL,
        "scale": parameters.scale,
        "format": parameters.format if files else "npy",
    }
    try:
        return [
            GenerateRequest(
                **{**common, "index": run[0].at},
                seed=run[0].seed,
                label=run[0].label,
                codes=list(run[0].codes),
                n=len(run),
            )
            for run in _runs(samples)
        ]
    except ValidationError as error:
        raise from_validation(error) from error


def _samples(tensors: Mapping[str, Tensor], parameters: Parameters, settings: Settings) -> list[_Sample]:
    for name in ("label", "seed"):
        if (tensor := tensors.get(name)) and tensor.shape not in ((len(tensor.values),), (len(tensor.values), 1)):
            raise Malformed(f"The shape of the input {name} must be [n], not {list(tensor.shape)}.")
    labels, seeds = (_column(tensors.get(name)) for name in ("label", "seed"))
    codes = _code_rows(tensors.get("codes"))
    counts = {"label": len(labels), "seed": len(seeds), "codes": len(codes)}
    n = parameters.n or max(*counts.values(), 1)
    for name, count in counts.items():
        if count not in (1, n) and name in tensors:
            raise Malformed(f"The input {name} is for {count} samples, the request for {n}.")
    if n > settings.max_samples:
        raise invalid_field("n", f"must be at most {settings.max_samples} on this server")
    own = len(seeds) > 1
    shared = None if seeds else fresh_seed()
    return [
        _Sample(
            label=_of(labels, i),
            codes=_of(codes, i) or (),
            seed=_of(seeds, i) if shared is None else shared,
            at=parameters.index if own else parameters.index + i,
        )
        for i in range(n)
    ]


def _column(tensor: Tensor | None) -> Sequence[Any]:
    if tensor is None:
        return ()
    if tensor.name == "seed" and tensor.datatype == "BYTES":
        raise Malformed("The datatype of the input seed must be INT64 or INT32.")
    return tensor.values


def _code_rows(tensor: Tensor | None) -> list[tuple[int, ...]]:
    """The given codes of each sample, or one row for all. A row ends where it becomes negative, as outputs do."""
    if tensor is None:
        return []
    if tensor.datatype == "BYTES":
        raise Malformed("The datatype of the input codes must be INT32 or INT64.")
    width = tensor.shape[-1]
    count = tensor.shape[0] if len(tensor.shape) == 2 else 1
    rows = []
    for start in range(0, count * width, width or 1):
        row: tuple[Any, ...] = tuple(tensor.values[start : start + width])
        length = next((at for at, code in enumerate(row) if code < 0), width)
        if any(code >= 0 for code in row[length:]):
            raise Malformed("The input codes has codes after its padding.")
        rows.append(row[:length])
    return rows or [()] * count


def _of(values: Sequence[Any], sample: int) -> Any:
    """What applies to a sample: its own, everybody's, or nothing."""
    if not values:
        return None
    return values[sample] if len(values) > 1 else values[0]


def _runs(samples: Sequence[_Sample]) -> list[list[_Sample]]:
    """Neighbours that one request can ask for: the same in all but their index, which counts up."""

    def alike(numbered: tuple[int, _Sample]) -> tuple[object, ...]:
        place, sample = numbered
        return (sample.label, sample.codes, sample.seed, sample.at - place)

    return [[sample for _, sample in run] for _, run in groupby(enumerate(samples), key=alike)]


def _deadline_ms(parameters: Parameters) -> float | None:
    """The earlier of `deadline_ms` and `timeout`."""
    named = [parameters.timeout / 1000] if parameters.timeout else []
    named += [] if parameters.deadline_ms is None else [parameters.deadline_ms]
    return min(named, default=None)
