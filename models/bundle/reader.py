"""Find, read and verify bundles. Imports no torch, so that it costs nothing to ask what a bundle is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from models.bundle.hierarchical import KIND as HIERARCHICAL
from models.bundle.hierarchical import HierarchicalManifest
from models.bundle.manifest import AUTOENCODER, FORMAT_VERSION, MANIFEST, PRIOR, Manifest
from models.bundle.refined import KIND as REFINED
from models.bundle.refined import RefinedManifest
from models.config import Frozen, field_path
from models.errors import BundleError

AnyManifest = Manifest | HierarchicalManifest | RefinedManifest
# Kinds of models but the ordered, by what `kind` says.
_OTHERS: dict[Any, type[HierarchicalManifest | RefinedManifest]] = {
    HIERARCHICAL: HierarchicalManifest,
    REFINED: RefinedManifest,
}
Parsed = TypeVar("Parsed", bound=Frozen)


def find_bundles(path: Path) -> list[Path]:
    """The bundle at `path`, or the bundles in the folder `path`, sorted by name.

    Folders whose names begin with a dot are passed over: what is on its way, or was put aside.

    Raises:
        BundleError: if there is none.
    """
    if (path / MANIFEST).is_file():
        return [path]
    if not path.is_dir():
        raise BundleError(path, "no such folder")
    found = sorted(
        folder for folder in path.iterdir() if not folder.name.startswith(".") and (folder / MANIFEST).is_file()
    )
    if not found:
        raise BundleError(path, f"no bundle here: neither it nor a folder in it holds a {MANIFEST}")
    return found


def read_manifest(path: Path) -> Manifest:
    """Read what the bundle of an ordered model at folder `path` says of itself, without looking at its files.

    Raises:
        BundleError: if it cannot be read, is of a newer format or another kind of model, or does not make sense.
    """
    content = _content(path)
    if (kind := content.get("kind")) in _OTHERS:
        raise BundleError(path / MANIFEST, f"kind: is a {kind} model, where an ordered one is needed")
    return _manifest(path, content)


def read_any_manifest(path: Path) -> AnyManifest:
    """Read what the bundle of any kind of model says of itself. Raises BundleError like `read_manifest`."""
    content = _content(path)
    if (kind := content.get("kind")) not in _OTHERS:
        return _manifest(path, content)
    manifest = _parsed(path, content, _OTHERS[kind])
    _expect(path, manifest, manifest.weights)
    return manifest


def _content(path: Path) -> dict[str, Any]:
    """The values of a `bundle.json` of the format read here."""
    file = path / MANIFEST
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise BundleError(path, f"not a bundle: it has no {MANIFEST}") from None
    except OSError as error:
        raise BundleError(file, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BundleError(file, f"is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise BundleError(file, "must hold one JSON object")
    version = content.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise BundleError(
            file, f"has format version {version}, newer than the {FORMAT_VERSION} read here: update this software"
        )
    return content


def _manifest(path: Path, content: dict[str, Any]) -> Manifest:
    manifest = _parsed(path, content, Manifest)
    _expect(path, manifest, (AUTOENCODER, PRIOR))
    return manifest


def _parsed(path: Path, content: dict[str, Any], kind: type[Parsed]) -> Parsed:
    try:
        return kind.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise BundleError(path / MANIFEST, describe(error)) from error


def _expect(path: Path, manifest: AnyManifest, files: Iterable[str]) -> None:
    missing = [name for name in files if name not in manifest.files]
    if missing:
        raise BundleError(path / MANIFEST, f"files does not list {' and '.join(missing)}")


def verify_bundle(path: Path) -> Manifest:
    """Read the bundle of an ordered model and check that every file it lists is there, whole and unchanged.

    Raises:
        BundleError: naming the first file that is not.
    """
    manifest = read_manifest(path)
    _check_files(path, manifest)
    return manifest


def verify_any_bundle(path: Path) -> AnyManifest:
    """Like `verify_bundle`, of any kind of model."""
    manifest = read_any_manifest(path)
    _check_files(path, manifest)
    return manifest


def _check_files(path: Path, manifest: AnyManifest) -> None:
    for name, entry in manifest.files.items():
        file = path / name
        if Path(name).name != name:
            raise BundleError(path / MANIFEST, f"lists a file outside the bundle: {name!r}")
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            raise BundleError(file, "is listed in the bundle but missing") from None
        except OSError as error:
            raise BundleError(file, f"cannot be read: {error.strerror}") from error
        if len(data) != entry.bytes:
            raise BundleError(
                file, f"has {len(data)} bytes where the bundle lists {entry.bytes}: truncated or replaced"
            )
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise BundleError(file, "does not match its SHA-256: corrupted or replaced")


def describe(error: ValidationError) -> str:
    """The first problem of a failed validation as one sentence: dotted field, what is wrong, how many more."""
    problems = error.errors(include_url=False)
    field = field_path(problems[0]["loc"]) or "content"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{field}: {problems[0]['msg']}{more}"
