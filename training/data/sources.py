"""Which reader a `--data` argument names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from models.errors import DataError
from training.data.celeba import CelebA
from training.data.cifar import CIFAR10, CIFAR100, CifarFolder
from training.data.dataset import DataSource
from training.data.folders import AudioFolder, ImageFolder, Vctk
from training.data.hugging_face import PREFIX, HuggingFace
from training.data.idx import IdxFolder


class Reader(NamedTuple):
    """One kind of source: what it is called, what it holds, how a folder of it is recognised, and how it is opened."""

    kind: str
    media: str
    recognises: Callable[[Path], bool]
    open: Callable[[Path], DataSource]


# Data sets as they are distributed, by their files' names.
DISTRIBUTED = (
    Reader("IDX files (train-images-idx3-ubyte and its companions)", "image", IdxFolder.recognises, IdxFolder),
    Reader(
        "CIFAR-10's binary version (cifar-10-batches-bin)",
        "image",
        partial(CifarFolder.recognises, CIFAR10),
        partial(CifarFolder, CIFAR10),
    ),
    Reader(
        "CIFAR-100's binary version (cifar-100-binary)",
        "image",
        partial(CifarFolder.recognises, CIFAR100),
        partial(CifarFolder, CIFAR100),
    ),
    Reader("CelebA (img_align_celeba and its lists)", "image", CelebA.recognises, CelebA),
    Reader("VCTK (wav48 or wav48_silence_trimmed)", "audio", Vctk.recognises, Vctk),
)
# Any folder with such files, if it is none of those.
PLAIN = (
    Reader("image files", "image", ImageFolder.recognises, ImageFolder),
    Reader("audio files", "audio", AudioFolder.recognises, AudioFolder),
)


def open_source(spec: str, media: str | None = None) -> DataSource:
    """Open what `--data` names: `hf:` and a data set of Hugging Face, or a folder that one of the readers recognises.

    Args:
        media: `image` or `audio`, what is wanted of a folder that holds both.

    Raises:
        DataError: if there is no such folder, nothing readable in it, or several data sets.
    """
    if spec.startswith(PREFIX):
        return HuggingFace(spec)
    folder = Path(spec)
    if not folder.exists():
        raise DataError(f"{spec}: no such folder")
    if not folder.is_dir():
        raise DataError(f"{spec}: is not a folder")
    for readers in (DISTRIBUTED, PLAIN):
        found = [reader for reader in readers if reader.recognises(folder)]
        fitting = [reader for reader in found if reader.media == media] or found
        if len(fitting) > 1:
            kinds = " and ".join(reader.kind for reader in fitting)
            raise DataError(f"{spec}: holds several data sets, {kinds}; name the folder of one of them")
        if fitting:
            return fitting[0].open(folder)
    kinds = "; ".join(reader.kind for reader in (*DISTRIBUTED, *PLAIN))
    raise DataError(f"{spec}: holds no data set of a known kind: {kinds}; or hf:NAME, a data set of Hugging Face")
