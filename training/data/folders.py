"""Folders of image or audio files, and VCTK, which is one."""

from __future__ import annotations

from pathlib import Path

from models.errors import DataError
from training.data.cache import prepared
from training.data.corpus import Corpus
from training.data.dataset import Parts
from training.data.files import AUDIO, IMAGES, find_files, has_files
from training.data.layout import sort_files
from training.data.pictures import PictureDecoder
from training.data.request import Request
from training.data.sound import SoundDecoder

# Newest first: of the version of 2019 the first microphone is used, as the older one has no other.
VCTK_FOLDERS = {"wav48_silence_trimmed": "_mic1.flac", "wav48": ".wav"}


class ImageFolder:
    """A folder of image files, one subfolder per class."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @staticmethod
    def recognises(folder: Path) -> bool:
        """Whether any image file lies below the folder."""
        return has_files(folder, IMAGES)

    def load(self, request: Request) -> Parts:
        """Prepare the pictures. Raises DataError if nothing can be used."""
        request.expect("a folder of images", "crops", media="image")
        parts, names, skipped = sort_files(find_files(self._folder, IMAGES))
        decoder = PictureDecoder(request.media, request.options.crops)
        return prepared(Corpus(str(self._folder.resolve()), parts, names, decoder, skipped), request)


class AudioFolder:
    """A folder of audio files, one subfolder per speaker or a pattern that finds the speaker in the path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @staticmethod
    def recognises(folder: Path) -> bool:
        """Whether any audio file lies below the folder."""
        return has_files(folder, AUDIO)

    def load(self, request: Request) -> Parts:
        """Prepare the windows. Raises DataError if nothing can be used."""
        request.expect("a folder of audio files", "stride", "speaker", media="audio")
        parts, names, skipped = sort_files(find_files(self._folder, AUDIO), request.options.speaker)
        decoder = SoundDecoder(request.media, request.options.stride)
        return prepared(Corpus(str(self._folder.resolve()), parts, names, decoder, skipped), request)


class Vctk:
    """The VCTK corpus as distributed, speakers p225 and so on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @staticmethod
    def recognises(folder: Path) -> bool:
        """Whether the folder is, or holds, one of the corpus' folders of recordings."""
        return _recordings(folder) is not None

    def load(self, request: Request) -> Parts:
        """Prepare the windows. Raises DataError if nothing can be used."""
        request.expect("VCTK", "stride", media="audio")
        folder = _recordings(self._folder)
        if folder is None:
            raise DataError(f"{self._folder}: has none of VCTK's folders, {' or '.join(VCTK_FOLDERS)}")
        ending = VCTK_FOLDERS[folder.name]
        recordings = [file for file in find_files(folder, AUDIO) if file.path.name.endswith(ending)]
        parts, names, skipped = sort_files(recordings)
        decoder = SoundDecoder(request.media, request.options.stride)
        return prepared(Corpus(str(folder.resolve()), parts, names, decoder, skipped), request)


def _recordings(folder: Path) -> Path | None:
    for name in VCTK_FOLDERS:
        for candidate in (folder / name, folder):
            if candidate.name == name and candidate.is_dir():
                return candidate
    return None
