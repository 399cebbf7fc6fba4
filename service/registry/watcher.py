"""Looks at the folder of bundles again and again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from models.errors import BundleError
from service.registry.folder import look
from service.registry.registry import Registry

_logger = logging.getLogger(__name__)

_SETTLE_S = 0.2


class Watcher:
    """Shows a registry what lies in its folder: at intervals, when told to, and once more soon after any change.

    It looks in a thread, since a folder on a network may keep it waiting. A folder that cannot be listed, or in which
    there is no bundle at all, changes nothing: a volume that has been lost looks the same.

    Args:
        interval: seconds between two looks; 0 for none but when told to.
        changed: called after each look that the registry has taken in.
    """

    def __init__(self, registry: Registry, interval: float, changed: Callable[[], None]) -> None:
        self._registry = registry
        self._interval = interval or None
        self._changed = changed
        self._told = asyncio.Event()
        self._trouble: str | None = None

    def look_now(self) -> None:
        """Look at once, and try again what has failed."""
        self._registry.retry()
        self._told.set()

    async def run(self) -> None:
        """Look until cancelled."""
        pause = self._interval
        while True:
            await self._wait(pause)
            pause = _SETTLE_S if await self._look() else self._interval

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            return
        self._told.clear()

    async def _look(self) -> bool:
        """One look; True if there should soon be another."""
        try:
            seen = await asyncio.to_thread(look, self._registry.root, self._registry.last)
        except (BundleError, OSError) as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                _logger.warning("nothing changes, since the bundles cannot be seen: %s", error)
            return False
        self._trouble = None
        unsettled = self._registry.see(seen)
        self._changed()
        return unsettled
