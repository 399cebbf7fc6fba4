"""Any data set of the Hugging Face library `datasets` with a column of images or audio, by name or by path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from models.errors import DataError
from models.media import Unreadable
from training.data.cache import prepared
from training.data.corpus import Corpus, Decoder, Item, PartName
from training.data.dataset import Parts
from training.data.files import stamp_of
from training.data.layout import ALL, parts_of
from training.data.pictures import PictureDecoder
from training.data.request import Request
from training.data.sound import SoundDecoder
from training.extras import require

PREFIX = "hf:"
SPECIAL = {"image": ("crops", "label"), "audio": ("stride", "label")}
SAVED = ("state.json", "dataset_dict.json")  # one of them is in whatever `save_to_disk` wrote


class HuggingFace:
    """`hf:NAME` or `hf:NAME:CONFIG` from the hub, or `hf:FOLDER` with what `save_to_disk` wrote or the hub's files."""

    def __init__(self, spec: str) -> None:
        self._spec = spec

    def load(self, request: Request) -> Parts:
        """Prepare the samples, downloading first what is not there.

        Raises:
            AnytimeError: if the library is missing.
            DataError: if there is no such data set, it has not the columns, or nothing of it can be used.
        """
        require(f"{self._spec}: a data set of Hugging Face needs", "datasets")
        media = request.media.type
        request.expect("Hugging Face", *SPECIAL[media], media=media)
        origin, splits = _open(self._spec)
        table = _Table(self._spec, splits, media, request.options.label)
        labels = {name: table.labels(name) for name in splits}
        names = _names(labels.values())
        parts: dict[PartName, list[Item]] = {}
        skipped: list[str] = []
        for name, part in _parts(splits).items():
            for item in table.items(name, labels[name], names):
                if item.label < 0:
                    skipped.append(f"{item.name}: has no label")
                else:
                    parts.setdefault(part, []).append(item)
        return prepared(Corpus(origin, parts, names, _decoder(request), tuple(skipped)), request)


class _Labels(NamedTuple):
    """A split's labels, one per row, None where a row has none, and those there can be, in order."""

    rows: list[str | None]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """Reads one file out of a table."""

    split: Any
    column: str
    row: int

    def __call__(self) -> bytes:
        value = self.split[self.row][self.column]
        if value and value["bytes"] is not None:
            content: bytes = value["bytes"]
            return content
        if value and value["path"] is not None:
            return Path(value["path"]).read_bytes()
        raise Unreadable("is empty")


@dataclass(frozen=True, slots=True)
class _Table:
    """The columns of a data set that are of use.

    Attributes:
        spec: as it was asked for, for messages.
        splits: the library's data sets, by name.
        media: `image` or `audio`.
        label: the column of labels; None takes the first of classes.
    """

    spec: str
    splits: dict[str, Any]
    media: str
    label: str | None

    def items(self, name: str, labels: _Labels, names: tuple[str, ...]) -> Iterator[Item]:
        """The rows of a split; the label of one that has none is -1."""
        import datasets

        kind = datasets.Image if self.media == "image" else datasets.Audio
        features, index = self.splits[name].features, {label: number for number, label in enumerate(names)}
        column = next((column for column, feature in features.items() if isinstance(feature, kind)), None)
        if column is None:
            raise DataError(f"{self.spec}: has no column of type {kind.__name__}, but {', '.join(features)}")
        # The files as they are: decoding is ours, and the library's would need more packages.
        raw = self.splits[name].select_columns([column]).cast_column(column, kind(decode=False))
        stamp = " ".join(stamp_of(Path(file["filename"])) for file in self.splits[name].cache_files)
        for row, label in enumerate(labels.rows):
            number = -1 if label is None else index[label]
            yield Item(f"{name}/{row}", number, stamp, _Row(raw, column, row))

    def labels(self, name: str) -> _Labels:
        """What each row of a split is labelled."""
        import datasets

        split = self.splits[name]
        classes = [column for column, feature in split.features.items() if isinstance(feature, datasets.ClassLabel)]
        column = self.label or next(iter(classes), None)
        if column is None:
            return _Labels([ALL] * len(split), (ALL,))
        if column not in split.features:
            raise DataError(f"data.label: {self.spec} has no column {column!r}, but {', '.join(split.features)}")
        values = split.select_columns([column])[:][column]
        if column in classes:
            names = tuple(split.features[column].names)
            return _Labels(
                [names[value] if value is not None and 0 <= value < len(names) else None for value in values], names
            )
        if not all(value is None or isinstance(value, str | int) for value in values):
            raise DataError(
                f"data.label: the column {column!r} of {self.spec} holds neither classes, text nor integers"
            )
        distinct = sorted({value for value in values if value is not None})
        return _Labels([None if value is None else str(value) for value in values], tuple(map(str, distinct)))


def _decoder(request: Request) -> Decoder:
    if request.media.type == "image":
        return PictureDecoder(request.media, request.options.crops)
    return SoundDecoder(request.media, request.options.stride)


def _names(labels: Iterable[_Labels]) -> tuple[str, ...]:
    """The labels of all splits, each once."""
    return tuple(dict.fromkeys(name for one in labels for name in one.names))


def _parts(splits: dict[str, Any]) -> dict[str, PartName]:
    """Which part each split is; splits of other names are left out, unless there is no `train` among them."""
    known = [name for name in splits if parts_of({"train", name})]
    return parts_of(known) or dict.fromkeys(splits, "train")


def _open(spec: str) -> tuple[str, dict[str, Any]]:
    """The data set in full, for the cache's key, and its splits by name."""
    import datasets

    name = spec.removeprefix(PREFIX)
    folder = Path(name).expanduser()
    try:
        if folder.is_dir():
            saved = any((folder / file).is_file() for file in SAVED)
            found = (datasets.load_from_disk if saved else datasets.load_dataset)(str(folder))
            name = str(folder.resolve())
        else:
            hub_name, _, config = name.partition(":")
            found = datasets.load_dataset(hub_name, config or None)
    except Exception as error:  # of all kinds, and all of them about what was asked for
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{spec}: cannot be opened as a data set of Hugging Face ({reason})") from error
    splits = dict(found) if isinstance(found, datasets.DatasetDict) else {"train": found}
    return f"{PREFIX}{name}", splits
