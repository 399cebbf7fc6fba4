"""One look at the folder of bundles."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from models.bundle.manifest import MANIFEST
from models.bundle.reader import AnyManifest, find_bundles, read_any_manifest
from models.errors import BundleError
from service.registry.catalogue import check_aliases

ALIASES = "aliases.toml"
_ALIAS = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_TARGET = re.compile(rf"{_ALIAS.pattern}(@[a-z0-9][a-z0-9._-]{{0,31}})?")

Stamp: TypeAlias = tuple[int, ...]
"""Of a file: what changes when it does. Empty if it is not there."""


class Sight(NamedTuple):
    """A bundle as it lay there; equal to another if nothing has changed between them.

    Attributes:
        manifest: None if `bundle.json` cannot be used.
        problem: why the bundle cannot be loaded as it lies there, beginning with the file at fault; None if nothing
            speaks against it.
        stamps: of `bundle.json` and of the files that it lists.
    """

    path: Path
    manifest: AnyManifest | None
    problem: str | None
    stamps: tuple[Stamp, ...]


class Look(NamedTuple):
    """All that was seen at once.

    Attributes:
        aliases: None if the file cannot be used, and `aliases_problem` says why.
    """

    sights: Mapping[Path, Sight]
    aliases: Mapping[str, str] | None
    aliases_problem: str | None


def look(root: Path, before: Look | None = None) -> Look:
    """Look at every bundle of a folder, without reading its weights: whoever loads them verifies them.

    A bundle is copied to its end, as far as can be seen from here, if every file that it lists is there in full size.

    Args:
        before: what was seen last; a `bundle.json` that is as it was then is not read again.

    Raises:
        BundleError: there is no bundle.
        OSError: the folder cannot be listed.
    """
    known = before.sights if before else {}
    sights = {path: _see(path, known.get(path)) for path in find_bundles(root)}
    try:
        aliases, problem = read_aliases(root / ALIASES), None
    except BundleError as error:
        aliases, problem = None, error.problem
    return Look(sights, aliases, problem)


def read_aliases(file: Path) -> dict[str, str]:
    """What each alias stands for; nothing if there is no such file.

    Raises:
        BundleError: it does not parse, or does not make sense.
    """
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BundleError(file, f"cannot be read: {error}") from error
    for alias, target in found.items():
        if not _ALIAS.fullmatch(alias):
            raise BundleError(file, f"{alias!r} cannot be an alias: small letters, digits, '.', '_' and '-' only")
        if not isinstance(target, str) or not _TARGET.fullmatch(target):
            raise BundleError(file, f'{alias} must stand for a name in quotes, as "model" or "model@version"')
    try:
        check_aliases(found)
    except ValueError as error:
        raise BundleError(file, str(error)) from error
    return found


def within(path: Path, problem: str) -> str:
    """What is wrong with a bundle, told without where it lies."""
    return problem.replace(f"{path}{os.sep}", "")


def _see(path: Path, before: Sight | None) -> Sight:
    stamp = _stamp(path / MANIFEST)
    manifest, problem = None, None
    if before and before.manifest and before.stamps[0] == stamp:
        manifest = before.manifest
    else:
        try:
            manifest = read_any_manifest(path)
        except BundleError as error:
            return Sight(path, None, within(path, str(error)), (stamp,))
    stamps = [stamp]
    for name, entry in manifest.files.items():
        stamps.append(_stamp(path / name))
        size = stamps[-1][0] if stamps[-1] else None
        if size != entry.bytes:
            there = "is missing" if size is None else f"has {size} bytes where the bundle lists {entry.bytes}"
            problem = problem or f"{name}: {there}: not copied to its end, or truncated"
    return Sight(path, manifest, problem, tuple(stamps))


def _stamp(file: Path) -> Stamp:
    try:
        found = file.stat()
    except OSError:
        return ()
    # The time of the last change of the inode tells what keeps the other, as `cp -p` does.
    return found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns
