"""The models that answer now, and every way to name one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from models.bundle.reader import AnyManifest
from service.registry.versions import version_key

UNNAMED = "default"
"""The alias that stands for the model of a request that names none."""


def check_aliases(aliases: Mapping[str, str]) -> None:
    """Raises ValueError if one of them leads back to itself."""
    for alias in aliases:
        _follow(alias, aliases)


class Catalogue(Mapping[str, AnyManifest]):
    """What can be asked for; never changes, but is replaced as a whole.

    As a mapping it has every model once, by its label: the bare name for the default version of that name,
    `name@version` for any other. `find` understands aliases as well.

    The default version is the newest, unless there is an alias of the same name that says otherwise:
    `fashion-mnist = "fashion-mnist@1"`. If it stands for another model, there is no default version.

    Args:
        manifests: what can be asked for; no two of one name and version.
        aliases: what each stands for: a name, `name@version` or another alias; not in a circle.
        before: the catalogue that this one replaces. An alias whose model is not there (yet) means what it did.
    """

    def __init__(
        self,
        manifests: Iterable[AnyManifest],
        aliases: Mapping[str, str] | None = None,
        before: Catalogue | None = None,
    ) -> None:
        manifests = list(manifests)
        self._versions: dict[str, dict[str, AnyManifest]] = {manifest.name: {} for manifest in manifests}
        for manifest in sorted(manifests, key=lambda each: version_key(each.version), reverse=True):
            self._versions[manifest.name][manifest.version] = manifest
        self._aliases: dict[str, AnyManifest] = {}
        for alias in sorted(aliases or {}):
            if found := self._target(alias, aliases or {}, before):
                self._aliases[alias] = found
        self._labels = {
            manifest.identity: name if manifest is self._default(name) else manifest.reference
            for name, versions in self._versions.items()
            for manifest in versions.values()
        }
        self._models = {
            self._labels[manifest.identity]: manifest
            for versions in self._versions.values()
            for manifest in versions.values()
        }

    @property
    def names(self) -> list[str]:
        """Names of models, without aliases."""
        return list(self._versions)

    @property
    def aliases(self) -> dict[str, str]:
        """`name@version` of what each alias stands for, aliases without a model left out."""
        return {alias: manifest.reference for alias, manifest in self._aliases.items()}

    @property
    def unnamed(self) -> AnyManifest | None:
        """What is meant where no model is named: what the alias `default` stands for, else the only name there is."""
        only = next(iter(self._versions)) if len(self._versions) == 1 else None
        return self._aliases.get(UNNAMED) or (self._default(only) if only else None)

    def versions(self, name: str) -> list[str]:
        """Those that there are of a name, the newest first."""
        return list(self._versions.get(name, ()))

    def find(self, name: str, version: str | None = None) -> AnyManifest | None:
        """The model that a client names; None if there is none.

        Args:
            name: a name or an alias, with `@version` behind it or not.
            version: the same, apart. If both are given, they must agree.
        """
        bare, at, within = name.partition("@")
        if at and version not in (None, within):
            return None
        wanted = within if at else version
        if wanted is None:
            return self._default(bare)
        if bare in self._versions:
            return self._versions[bare].get(wanted)
        aliased = self._aliases.get(bare)
        return aliased if aliased and aliased.version == wanted else None

    def label(self, identity: str) -> str:
        """What metrics call a model: its label here, `name@version` if it is not here any more."""
        return self._labels.get(identity) or identity.partition("#")[0]

    def is_default(self, manifest: AnyManifest) -> bool:
        """Whether its bare name means this version."""
        return self._labels.get(manifest.identity) == manifest.name

    def __getitem__(self, label: str) -> AnyManifest:
        return self._models[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def _default(self, name: str) -> AnyManifest | None:
        """What is meant by this name without a version."""
        return self._aliases.get(name) or next(iter(self._versions.get(name, {}).values()), None)

    def _target(self, alias: str, aliases: Mapping[str, str], before: Catalogue | None) -> AnyManifest | None:
        name, _, version = _follow(alias, aliases).partition("@")
        versions = self._versions.get(name, {})
        found = versions.get(version) if version else next(iter(versions.values()), None)
        if found is None and before and (earlier := before.aliases.get(alias)):
            name, _, version = earlier.partition("@")
            found = self._versions.get(name, {}).get(version)
        return found


def _follow(alias: str, aliases: Mapping[str, str]) -> str:
    """What an alias stands for in the end, which is no alias. Raises ValueError if there is no end."""
    passed = [alias]
    while (target := aliases[passed[-1]]) in aliases:
        if target in passed:
            raise ValueError(f"the alias {alias} leads round in a circle: {' -> '.join([*passed, target])}")
        passed.append(target)
    return target
