"""Which models a front offers: those that replicas say they answer for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path

import msgspec

from models.bundle.manifest import Manifest
from models.errors import BundleError
from service import messages
from service.clock import Clock
from service.fleet.carrier import Carrier, ReplicaLost
from service.registry import Catalogue
from service.registry.folder import look

_LOOK_S = 1.0
_FIRST_S = 0.1
_BLIND_S = 5.0
_logger = logging.getLogger(__name__)


class Roll:
    """Asks one replica after another. While they change their models, for some seconds, they do not all agree.

    Args:
        folder: where the same bundles may lie on this machine.

    Attributes:
        catalogue: of the models; replaced as a whole.
        paths: of those that are in the folder.
        minimums_ms: the smallest deadline that a replica would take, by identity.
        listeners: are called whenever there is another catalogue.
    """

    def __init__(self, carrier: Carrier, folder: Path, clock: Clock) -> None:
        self.catalogue = Catalogue(())
        self.paths: Mapping[str, Path] = {}
        self.minimums_ms: Mapping[str, float] = {}
        self.listeners: list[Callable[[], None]] = []
        self._carrier = carrier
        self._folder = folder
        self._clock = clock
        self._seen = -inf
        self._known: tuple[list[str], dict[str, str]] | None = None
        self._decoder = msgspec.msgpack.Decoder(messages.Roster)

    @property
    def recent(self) -> bool:
        """Whether a replica has answered within the last seconds."""
        return self._clock.now() - self._seen < _BLIND_S

    async def first(self) -> None:
        """Returns once a replica has named a model."""
        await self._look()
        while not self.catalogue:
            await asyncio.sleep(_FIRST_S)
            await self._look()

    async def follow(self) -> None:
        """Ask again every second, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self._look()

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(_BLIND_S):
                roster = self._decoder.decode(await self._carrier.look())
        except (ReplicaLost, TimeoutError) as error:
            _logger.warning("no replica says what it answers for: %r", error)
            return
        self._seen = self._clock.now()
        self.minimums_ms = roster.minimums_ms
        if roster.manifests and self._known != (roster.manifests, roster.aliases):
            self._known = roster.manifests, roster.aliases
            self._publish(roster)

    def _publish(self, roster: messages.Roster) -> None:
        manifests = [Manifest.model_validate_json(each) for each in roster.manifests]
        self.catalogue = Catalogue(manifests, roster.aliases)
        self.paths = _folders(self._folder, {manifest.identity for manifest in manifests})
        _logger.info("serving %s", ", ".join(manifest.reference for manifest in manifests))
        for listener in self.listeners:
            listener()


def _folders(root: Path, identities: set[str]) -> dict[str, Path]:
    """The folder of each of these bundles that is here."""
    try:
        sights = look(root).sights.values()
    except (BundleError, OSError):
        return {}
    return {
        each.manifest.identity: each.path for each in sights if each.manifest and each.manifest.identity in identities
    }
