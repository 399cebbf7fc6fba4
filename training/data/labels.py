"""Which label of the data is which of the model's: by name where both have names, else by number."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from models.errors import DataError

SHOWN = 10  # names listed in a message


class Labels(NamedTuple):
    """The model's labels, and how the data's become them.

    Attributes:
        names: in the order of the model's indices.
        mapping: (labels of the data,) int64, the model's index of each; None if they are the same.
    """

    names: tuple[str, ...]
    mapping: Tensor | None = None


def match_labels(found: tuple[str, ...] | None, wanted: tuple[str, ...], highest: int, owner: str) -> Labels:
    """Bring the data's labels and those that are asked for together.

    Args:
        found: the data's names; None if it has numbers only.
        wanted: the names asked for; none of them takes the data's, or numbers.
        highest: the highest label of the data.
        owner: who asks, in messages.

    Raises:
        DataError: naming a label that only one side has.
    """
    if found is None:
        return Labels(wanted or tuple(str(number) for number in range(highest + 1)))
    if not wanted or wanted == found:
        return Labels(found)
    for name in wanted:
        if name not in found:
            raise DataError(f"{owner} names the label {name!r}, but the data's labels are {_list(found)}")
    for name in found:
        if name not in wanted:
            raise DataError(f"the data has the label {name!r}, but {owner} names {_list(wanted)}")
    return Labels(wanted, torch.tensor([wanted.index(name) for name in found]))


def _list(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
