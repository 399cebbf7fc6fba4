"""The models that the encoder has, while others come and go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from models.bundle.manifest import Manifest
from models.errors import AnytimeError
from models.runtime.coder import Coder

_logger = logging.getLogger(__name__)


class Loaded(NamedTuple):
    """A model that can encode."""

    manifest: Manifest
    coder: Coder


class Shelf:
    """Loads what is offered while requests are answered, and forgets what has not been offered twice.

    Twice, since requests for what has just gone may still come.

    Args:
        load: loads and warms up the model in a folder; raises AnytimeError if it cannot.
    """

    def __init__(self, load: Callable[[Path], Loaded]) -> None:
        self._load = load
        self._loaded: dict[str, Loaded] = {}
        self._offered: Mapping[str, Path] = {}
        self._loading: Thread | None = None

    def begin(self, folders: list[Path]) -> None:
        """Load the first models, those that can be. Raises AnytimeError if none can."""
        failures = [failure for path in folders if (failure := self._take(path))]
        if failures and len(failures) == len(folders):
            raise failures[0]

    def offer(self, bundles: Mapping[str, Path]) -> None:
        """From now on these models are there: the folder of each, by identity. Returns before they are loaded."""
        self._wait()
        kept = self._offered.keys() | bundles.keys()
        self._loaded = {identity: each for identity, each in self._loaded.items() if identity in kept}
        self._offered = bundles
        missing = [path for identity, path in bundles.items() if identity not in self._loaded]
        if missing:
            self._loading = Thread(target=self._take_all, args=(missing,), daemon=True)
            self._loading.start()

    def find(self, identity: str) -> Loaded | None:
        """The model of this identity, waited for if it is being loaded; None if it is not there, or is another now."""
        if identity not in self._loaded:
            self._wait()
        return self._loaded.get(identity)

    def _wait(self) -> None:
        if self._loading:
            self._loading.join()
            self._loading = None

    def _take_all(self, paths: list[Path]) -> None:
        for path in paths:
            self._take(path)

    def _take(self, path: Path) -> AnytimeError | None:
        """Load one; returns why that failed."""
        try:
            loaded = self._load(path)
        except AnytimeError as error:
            _logger.error("%s", error)
            return error
        self._loaded[loaded.manifest.identity] = loaded
        return None
