"""Find, read and verify bundles. Imports no torch, so that it costs nothing to ask what a bundle is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import ValidationError

from models.bundle.manifest import AUTOENCODER, FORMAT_VERSION, MANIFEST, PRIOR, Manifest
from models.config import field_path
from models.errors import BundleError


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
    """Read what the bundle at folder `path` says of itself, without looking at its files.

    Raises:
        BundleError: if it cannot be read, is of a newer format, or does not make sense.
    """
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
    try:
        manifest = Manifest.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise BundleError(file, describe(error)) from error
    missing = [name for name in (AUTOENCODER, PRIOR) if name not in manifest.files]
    if missing:
        raise BundleError(file, f"files does not list {' and '.join(missing)}")
    return manifest


def verify_bundle(path: Path) -> Manifest:
    """Read the bundle and check that every file it lists is there, whole and unchanged.

    Raises:
        BundleError: naming the first file that is not.
    """
    manifest = read_manifest(path)
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
    return manifest


def describe(error: ValidationError) -> str:
    """The first problem of a failed validation as one sentence: dotted field, what is wrong, how many more."""
    problems = error.errors(include_url=False)
    field = field_path(problems[0]["loc"]) or "content"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{field}: {problems[0]['msg']}{more}"
