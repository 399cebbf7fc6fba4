"""What is wanted, what is published, and what became of each bundle."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from models.bundle.hierarchical import HierarchicalManifest
from models.bundle.reader import AnyManifest
from models.bundle.refined import RefinedManifest
from models.errors import BundleError
from service.registry.catalogue import Catalogue
from service.registry.folder import ALIASES, Look, Sight, look

_logger = logging.getLogger(__name__)

_BY_TORCH = (HierarchicalManifest, RefinedManifest)  # kinds whose models need it

State: TypeAlias = Literal["loading", "ready", "failed", "unloading"]


class BundleState(NamedTuple):
    """A bundle as an operator sees it.

    Attributes:
        folder: its name; None if it is gone.
        model: `name@version`; None if that cannot be read.
        state: `failed` if it is not served, and will not be as it lies there.
        error: why it cannot be loaded as it lies there; of a `ready` one, why not again.
    """

    folder: str | None
    model: str | None
    state: State
    error: str | None = None


class Published(NamedTuple):
    """A model that answers, and the bundle that it is from."""

    manifest: AnyManifest
    path: Path


class Registry:
    """Decides which bundles workers should have and which models clients may name; does nothing itself.

    A bundle counts once two looks in a row have seen the same. What can be loaded is *wanted*; once workers have it, it
    is *published*. What is published stays so until it is gone from the folder, or what has taken its place can answer:
    so neither a bundle that is broken nor one that is on its way takes anything from anybody.

    Args:
        root: a bundle, or a folder of bundles.

    Attributes:
        catalogue: what is published.
        listeners: are called whenever another catalogue is.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.catalogue = Catalogue(())
        self.listeners: list[Callable[[], None]] = []
        self._last: Look | None = None
        self._settled: dict[Path, Sight] = {}
        self._aliases: Mapping[str, str] = {}
        self._aliases_problem: str | None = None
        self._failures: dict[Path, tuple[Sight, str]] = {}
        self._published: dict[str, Published] = {}
        self._former: dict[str, Published] = {}  # in whose folder something else lies now

    def open(self) -> None:
        """The first look, which must find nothing wrong.

        Raises:
            BundleError: there is no bundle, one cannot be used, or two are of the same name and version.
        """
        try:
            first = look(self.root)
        except OSError as error:
            raise BundleError(self.root, f"cannot be read: {error.strerror}") from error
        if first.aliases_problem:
            raise BundleError(self.root / ALIASES, first.aliases_problem)
        self._last = first
        self._settled, self._aliases = dict(first.sights), first.aliases or {}
        for path in self._settled:
            if problem := self._problem(path):
                raise BundleError(path, problem)
        for path in self._slow(first):
            del self._settled[path]

    def _slow(self, first: Look) -> Collection[Path]:
        """Those for which no other need wait at the start, as PyTorch takes seconds: the next look takes them in."""
        meant = {target.partition("@")[0] for target in self._aliases.values()}
        slow = [
            path
            for path, sight in first.sights.items()
            if isinstance(sight.manifest, _BY_TORCH) and sight.manifest.name not in meant
        ]
        return slow if len(slow) < len(first.sights) else ()

    @property
    def unseen(self) -> bool:
        """Whether there is something that only another look will take in."""
        return self._last is not None and self._last.sights.keys() != self._settled.keys()

    @property
    def last(self) -> Look | None:
        """The last look."""
        return self._last

    def see(self, seen: Look) -> bool:
        """Take in a look; True if it differs from the one before, so that another should follow soon."""
        before, self._last = self._last, seen
        changed = before is None or before != seen
        for path in self._settled.keys() | seen.sights.keys():
            sight = seen.sights.get(path)
            if before is None or before.sights.get(path) != sight or self._settled.get(path) == sight:
                continue
            self._settle(path, sight)
        if before is None or (before.aliases, before.aliases_problem) == (seen.aliases, seen.aliases_problem):
            self._take_aliases(seen)
        self._withdraw()
        return changed

    def retry(self) -> None:
        """Let what has failed be tried again as it is."""
        self._failures.clear()

    @property
    def paths(self) -> dict[str, Path]:
        """The folder of each model that is published, by identity."""
        return {identity: model.path for identity, model in self._published.items()}

    def wanted(self) -> dict[str, Path]:
        """What every worker should have: the folder of each bundle that can be loaded, by identity."""
        return {
            sight.manifest.identity: path
            for path, sight in sorted(self._settled.items())
            if sight.manifest and not self._problem(path)
        }

    def blocked(self) -> str | None:
        """Why no worker may be replaced now; None if any may.

        A model that answers, but could not be loaded again because its bundle was overwritten with something broken, is
        with the present workers alone. They are kept until the bundle is repaired or gone.
        """
        coming = {identity.partition("#")[0] for identity in self.wanted()}
        for model in self._published.values():
            if model.path not in self._settled or model.manifest.reference in coming:
                continue
            if problem := self._problem(model.path):
                return f"{model.manifest.reference} answers, but could not be loaded again: {problem}"
        return None

    def failed(self, problems: Mapping[Path, str]) -> None:
        """Bundles could not be loaded; they are not wanted until they change, or `retry`."""
        for path, problem in problems.items():
            if path in self._settled:
                self._failures[path] = self._settled[path], problem
                _logger.error("bundle %s cannot be loaded: %s", path.name, problem)

    def publish(self, identities: Iterable[str]) -> None:
        """These models answer from now on, and no others; those of them that are not wanted any more do not.

        Without effect if nothing changes by it.
        """
        wanted = self.wanted()
        fresh = {identity: wanted[identity] for identity in identities if identity in wanted}
        self._replace(
            {
                identity: Published(manifest, path)
                for identity, path in fresh.items()
                if (manifest := self._settled[path].manifest)
            }
        )

    def revive(self, identities: Iterable[str], lost: Iterable[str]) -> None:
        """What was published until something took its place in its folder answers again, instead of what is lost.

        Args:
            identities: of what workers still have.
            lost: of what is published, though no worker has it any more; only what bears the same name goes.
        """
        back = {identity: self._former[identity] for identity in identities if identity in self._former}
        missing = {self._published[identity].manifest.name for identity in lost}
        back = {identity: model for identity, model in back.items() if model.manifest.name in missing}
        names = {model.manifest.name for model in back.values()}
        gone = {identity for identity in lost if self._published[identity].manifest.name in names}
        if back:
            self._replace({key: model for key, model in self._published.items() if key not in gone} | back)

    def loses(self, identities: Iterable[str]) -> bool:
        """Whether something that is published would be so no longer if these models were."""
        return not self._published.keys() <= set(identities)

    def bundles(self) -> list[BundleState]:
        """What became of each bundle, by folder; then what answers without one."""
        states = [self._state(path) for path in sorted(self._settled)]
        there = {sight.manifest.identity for sight in self._settled.values() if sight.manifest}
        states += [
            BundleState(None, model.manifest.reference, "ready")
            for identity, model in self._published.items()
            if identity not in there
        ]
        if self._aliases_problem:
            states.append(BundleState(ALIASES, None, "failed", self._aliases_problem))
        return states

    def _state(self, path: Path) -> BundleState:
        manifest = self._settled[path].manifest
        problem = self._problem(path)
        state: State = "failed" if problem else "loading"
        if manifest and (published := self._published.get(manifest.identity)) and published.path == path:
            state = "ready"
        return BundleState(path.name, manifest.reference if manifest else None, state, problem)

    def _settle(self, path: Path, sight: Sight | None) -> None:
        """Two looks have seen this."""
        self._failures.pop(path, None)
        if sight is None:
            del self._settled[path]
            _logger.info("bundle %s is gone", path.name)
            return
        self._settled[path] = sight
        if problem := self._problem(path):
            _logger.warning("bundle %s cannot be loaded as it is: %s", path.name, problem)

    def _problem(self, path: Path) -> str | None:
        """Why a bundle cannot be loaded as it lies there."""
        if problem := self._own_problem(path):
            return problem
        manifest = self._settled[path].manifest
        rivals = [
            other
            for other, its in self._settled.items()
            if manifest and its.manifest and its.manifest.reference == manifest.reference
            if not self._own_problem(other)
        ]
        # Of several, the one that answers stays; else the first by folder.
        answering = {model.path for model in self._published.values()}
        first = min(rivals, key=lambda other: (other not in answering, other))
        return None if first == path else f"another bundle, {first.name}, is also {manifest and manifest.reference}"

    def _own_problem(self, path: Path) -> str | None:
        sight = self._settled[path]
        failure = self._failures.get(path)
        return sight.problem or (failure[1] if failure and failure[0] == sight else None)

    def _take_aliases(self, seen: Look) -> None:
        if seen.aliases_problem != self._aliases_problem:
            self._aliases_problem = seen.aliases_problem
            if seen.aliases_problem:
                _logger.error("the aliases stay as they were: %s", seen.aliases_problem)
        if seen.aliases is not None and seen.aliases != self._aliases:
            self._aliases = seen.aliases
            self._announce()

    def _withdraw(self) -> None:
        """Publish no longer what is gone, unless another version of that name is only on its way."""
        there = {sight.manifest.identity: path for path, sight in self._settled.items() if sight.manifest}
        staying = {
            identity: model if model.path in self._settled else Published(model.manifest, there[identity])
            for identity, model in self._published.items()
            if identity in there or model.path in self._settled
        }
        names = {model.manifest.name for model in staying.values()}
        coming = {sight.manifest.name for sight in self._settled.values() if sight.manifest and not sight.problem}
        for identity, model in self._published.items():
            if identity not in staying and model.manifest.name in coming - names:
                staying[identity] = model
        self._replace(staying)

    def _replace(self, published: dict[str, Published]) -> None:
        """Without effect if the same models are published already."""
        same = published.keys() == self._published.keys()
        former = {**self._former, **self._published}
        self._former = {
            key: model for key, model in former.items() if key not in published and model.path in self._settled
        }
        self._published = published
        if not same:
            self._announce()

    def _announce(self) -> None:
        manifests = (model.manifest for model in self._published.values())
        self.catalogue = Catalogue(manifests, self._aliases, before=self.catalogue)
        _logger.info("serving %s", ", ".join(manifest.reference for manifest in self.catalogue.values()))
        for alias in sorted(self._aliases.keys() - self.catalogue.aliases.keys()):
            _logger.warning("the alias %s stands for %s, which is not served", alias, self._aliases[alias])
        for listener in self.listeners:
            listener()
