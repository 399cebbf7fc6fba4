"""A source of many files: listed, sorted into parts, not yet decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from numpy.typing import NDArray

from models.errors import DataError

PartName = Literal["train", "validation", "test"]
PARTS: tuple[PartName, ...] = ("train", "validation", "test")

# From a file's name and content to samples, (n, *media.shape); raises Unreadable (the item is skipped,
# named and counted), or whatever a decoder may.
Decoder = Callable[[str, bytes], NDArray[Any]]


class Item(NamedTuple):
    """One file, or one row of a table that holds files.

    Attributes:
        name: tells it from the others of the source, and decides its place in the order.
        label: index of its class.
        stamp: changes when its content does.
        content: reads it; raises Unreadable or OSError.
    """

    name: str
    label: int
    stamp: str
    content: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Corpus:
    """What was found at a source.

    Attributes:
        origin: the source in full, for messages and the cache's key.
        parts: items by part; without a test part one is held out.
        names: of the labels; None if they are numbers only.
        decode: how an item becomes samples.
        skipped: items that were left out already, each `name: why`.
    """

    origin: str
    parts: Mapping[PartName, Sequence[Item]]
    names: tuple[str, ...] | None
    decode: Decoder
    skipped: tuple[str, ...] = ()


def in_order(corpus: Corpus, test_share: float) -> dict[PartName, list[Item]]:
    """The corpus' parts, each in an order that follows from the items' names alone; there is always a test part.

    An item is held out if its name's hash says so, whatever other items there are, so that files that are added later
    move no other from one part to another. At least one is held out, and one left.

    Raises:
        DataError: if there are too few items to hold one out.
    """
    parts = {part: sorted(corpus.parts[part], key=_place) for part in PARTS if corpus.parts.get(part)}
    train = parts.get("train", [])
    if "test" not in parts:
        if len(train) < 2:
            why = f" ({corpus.skipped[0]})" if corpus.skipped else ""
            raise DataError(f"{corpus.origin}: {len(train)} files are too few to train on some and test on others{why}")
        held_out = sum(_place(item)[0] < test_share for item in train)
        held_out = min(max(held_out, 1), len(train) - 1)
        parts["train"], parts["test"] = train[held_out:], train[:held_out]
    return parts


def fraction(*place: str | int) -> float:
    """A number in [0, 1) that follows from a name and looks random."""
    digest = hashlib.sha256("/".join(map(str, place)).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _place(item: Item) -> tuple[float, str]:
    return fraction(item.name), item.name
