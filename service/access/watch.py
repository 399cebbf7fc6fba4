"""Follows the file of keys: what it says now is what holds, without a restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from models.errors import SettingsError
from service.access.keyfile import read_keys
from service.access.keys import Key

_LOOK_SECONDS = 1.0
_logger = logging.getLogger(__name__)

_Stamp = tuple[int, ...] | None


class KeyWatch:
    """The keys of a file, read again when it changes. A version that cannot be read changes nothing, and is named once.

    Args:
        path: the file.
        use: is given what the file says, at once and after every change, in the event loop.
        seconds: between two looks at the file.

    Raises:
        SettingsError: the file cannot be read to begin with.
    """

    def __init__(self, path: Path, use: Callable[[Mapping[str, Key]], None], seconds: float = _LOOK_SECONDS) -> None:
        self._path = path
        self._use = use
        self._seconds = seconds
        self._seen = _stamp(path)
        self._count = 0
        self._take(read_keys(path))
        self._asked = asyncio.Event()

    def reload(self) -> None:
        """Read the file again now, changed or not."""
        self._seen = ()
        self._asked.set()

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Follow the file as long as this lasts."""
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            # In a thread, since the file may lie on a network, and everybody's answers wait for this loop.
            stamp = await asyncio.to_thread(_stamp, self._path)
            if stamp != self._seen:
                self._seen = stamp
                await self._read()
            try:
                async with asyncio.timeout(self._seconds):
                    await self._asked.wait()
            except TimeoutError:
                pass
            self._asked.clear()

    async def _read(self) -> None:
        try:
            keys = await asyncio.to_thread(read_keys, self._path)
        except SettingsError as error:
            _logger.error("%s; the %d keys read before stay in force", error, self._count)
            return
        self._take(keys)
        _logger.info("%s: %d keys", self._path, self._count)

    def _take(self, keys: Mapping[str, Key]) -> None:
        if not keys:
            _logger.warning("%s has no keys: nobody is let in; anytime keys add makes one", self._path)
        self._count = len(keys)
        self._use(keys)


def _stamp(path: Path) -> _Stamp:
    """What changes with the file: links are followed, and a file put into its place is another."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
