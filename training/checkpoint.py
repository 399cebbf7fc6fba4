"""Checkpoints: tensors as safetensors with JSON facts in the same file, never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from training.files import CheckpointError, write_atomically

FACTS = "anytime"  # the key of the JSON in the header of a safetensors file


class Checkpoint(NamedTuple):
    """Tensors on the host, by name, and the JSON facts beside them."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and facts as one file, atomically, so that neither can be newer than the other."""
    on_host = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, save(on_host, {FACTS: json.dumps(facts, sort_keys=True)}))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a file written by `save_checkpoint`.

    Raises:
        CheckpointError: if it is missing, damaged or something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})[FACTS])
            # Copied out of the file's mapping, so that memory is aligned as in a run that never stopped.
            return Checkpoint({name: file.get_tensor(name).clone() for name in file.keys()}, facts)  # noqa: SIM118
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: is damaged or not a checkpoint ({error})") from error


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file written by `save_checkpoint`. Raises CheckpointError like `load_checkpoint`."""
    return load_checkpoint(path).tensors
