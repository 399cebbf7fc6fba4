"""From a listed source to arrays on disk: every item decoded once, those that cannot be are named and counted."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.config import Frozen, Media
from models.errors import DataError
from models.media import Unreadable
from training.data.arrays import ArrayWriter, map_array
from training.data.corpus import Corpus, Decoder, Item, PartName
from training.data.dataset import Split, fingerprint
from training.data.request import Request
from training.files import write_json

ABOUT = "about.json"
DTYPES: dict[str, type[np.generic]] = {"image": np.uint8, "audio": np.int16}
SHOWN = 5  # skipped items that are named
# Decoded ahead of what has been written, which bounds the memory; decoders leave Python's lock, so threads do.
AT_ONCE = 64
MOST_THREADS = 16


class Skipped(Frozen):
    """Items that could not be used: how many, and the first of them, each `name: why`."""

    count: int
    first: tuple[str, ...]

    def lines(self) -> list[str]:
        """What to tell the user."""
        more = self.count - len(self.first)
        return [f"skipped {line}" for line in self.first] + ([f"skipped {more} more"] if more else [])


class Facts(Frozen):
    """What `about.json` says of a prepared source; written last.

    Attributes:
        parts: those there are, train first.
        names: of the labels; None if they are numbers only.
        fingerprint: SHA-256 over the parts' samples and labels.
    """

    parts: tuple[PartName, ...]
    names: tuple[str, ...] | None
    fingerprint: str
    skipped: Skipped


def files_of(folder: Path, part: PartName) -> tuple[Path, Path, Path]:
    """A part's files in a prepared source: samples (N, *shape), labels (N,) and each sample's item (N,)."""
    samples, labels, items = (folder / f"{part}.{content}.npy" for content in ("samples", "labels", "items"))
    return samples, labels, items


def write(corpus: Corpus, parts: Mapping[PartName, Sequence[Item]], folder: Path, request: Request) -> None:
    """Decode a corpus, its items in the order given, into an empty folder.

    Raises:
        DataError: if nothing of a part can be used.
        OSError: if the folder cannot be written.
    """
    skipped = list(corpus.skipped)
    total = sum(map(len, parts.values()))
    request.progress.say(f"preparing {total:,} files of {corpus.origin}")
    with ExitStack() as stack:
        outputs = {part: stack.enter_context(_PartWriter(folder, part, request.media)) for part in parts}
        listed = ((part, item) for part in parts for item in parts[part])
        for part, item, decoded in request.progress.track(_decode(corpus.decode, listed), total):
            if isinstance(decoded, str):
                skipped.append(f"{item.name}: {decoded}")
            else:
                outputs[part].add(decoded, item.label)
    for part, output in outputs.items():
        if not output.samples.rows:
            raise DataError(f"{corpus.origin}: nothing of its {part} part can be used, {'; '.join(skipped[:SHOWN])}")
    splits = [
        Split(map_array(samples), map_array(labels)) for samples, labels, _ in (files_of(folder, p) for p in parts)
    ]
    facts = Facts(
        parts=tuple(parts),
        names=corpus.names,
        fingerprint=fingerprint(*splits),
        skipped=Skipped(count=len(skipped), first=tuple(skipped[:SHOWN])),
    )
    write_json(folder / ABOUT, facts.model_dump(mode="json"))


class _PartWriter:
    """The three arrays of one part."""

    def __init__(self, folder: Path, part: PartName, media: Media) -> None:
        samples, labels, items = files_of(folder, part)
        self.samples = ArrayWriter(samples, DTYPES[media.type], media.shape)
        self._labels, self._items = ArrayWriter(labels, np.int64, ()), ArrayWriter(items, np.int64, ())
        self._count = 0

    def __enter__(self) -> _PartWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for array in (self.samples, self._labels, self._items):
            array.__exit__(kind, error, trace)

    def add(self, samples: NDArray[Any], label: int) -> None:
        """Add what an item was decoded to, (n, *shape)."""
        self.samples.append(samples)
        self._labels.append(np.full(len(samples), label, dtype=np.int64))
        self._items.append(np.full(len(samples), self._count, dtype=np.int64))
        self._count += 1


def _decode(
    decoder: Decoder, listed: Iterator[tuple[PartName, Item]]
) -> Iterator[tuple[PartName, Item, NDArray[Any] | str]]:
    """Each item with its samples (n, *shape), or with why it has none; in order."""
    decode = partial(_samples_of, decoder)
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool, warnings.catch_warnings():
        # Decoders warn of oddities in files that they read nevertheless.
        warnings.simplefilter("ignore")
        while chunk := list(islice(listed, AT_ONCE)):
            results = pool.map(decode, [item for _, item in chunk])
            for (part, item), result in zip(chunk, results, strict=True):
                yield part, item, result


def _samples_of(decoder: Decoder, item: Item) -> NDArray[Any] | str:
    try:
        return decoder(item.name, item.content())
    except Unreadable as error:
        return str(error)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except Exception as error:  # decoders raise all kinds of errors at damaged files
        return f"cannot be decoded ({error or type(error).__name__})"
