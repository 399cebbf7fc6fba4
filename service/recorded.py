"""What a model's operations took, in a file: a worker writes it when it ends, and the simulator plays it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from models.errors import AnytimeError
from service.scheduler import Costs, Kind

_Key = TypeVar("_Key")


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Durations in milliseconds, in the order in which they were observed.

    Attributes:
        steps_ms, decodes_ms: by batch size that the runtime pads to.
        repeats_ms: of each further code upon the same decision, by batch size; where there are none, as steps.
        encodes_ms: of one sample, by format and scale: `png:1`.
    """

    steps_ms: dict[int, list[float]]
    decodes_ms: dict[int, list[float]]
    encodes_ms: dict[str, list[float]]
    repeats_ms: dict[int, list[float]] = {}

    @property
    def encodes(self) -> dict[Kind, list[float]]:
        """The same by kind. Raises ValueError for a name that is none."""
        return {_kind(name): recorded for name, recorded in self.encodes_ms.items()}


def prepare(folder: Path) -> None:
    """See that files can be written to this folder. Raises AnytimeError if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AnytimeError(f"cannot record costs in {folder}: {(error.strerror or str(error)).lower()}") from error


def write(costs: Costs, path: Path) -> None:
    """Write what these costs were learnt from. Raises AnytimeError if that cannot be done."""
    recorded = Recorded(
        steps_ms=_milliseconds(costs.steps.history()),
        decodes_ms=_milliseconds(costs.decodes.history()),
        repeats_ms=_milliseconds(costs.repeats.history()),
        encodes_ms=_milliseconds({f"{name}:{scale}": each for (name, scale), each in costs.encodes.history().items()}),
    )
    try:
        path.write_bytes(msgspec.json.encode(recorded))
    except OSError as error:
        raise AnytimeError(f"cannot record costs in {path}: {(error.strerror or str(error)).lower()}") from error


def read(path: Path) -> Recorded:
    """Read such a file.

    Raises:
        OSError: it cannot be read.
        msgspec.DecodeError: it does not hold that.
    """
    return msgspec.json.decode(path.read_bytes(), type=Recorded)


def _milliseconds(history: Mapping[_Key, Sequence[float]]) -> dict[_Key, list[float]]:
    return {key: [round(1000 * each, 4) for each in seconds] for key, seconds in history.items()}


def _kind(name: str) -> Kind:
    file_format, _, scale = name.partition(":")
    if not scale.isdecimal():
        raise ValueError(f"an encoding is named like png:1, not {name!r}")
    return file_format, int(scale)
