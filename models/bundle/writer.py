"""Write bundles, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import save
from torch import nn

from models.build import Autoencoder
from models.bundle.hierarchical import HierarchicalManifest, level_file
from models.bundle.manifest import AUTOENCODER, MANIFEST, PRIOR, EightBitCheck, FileEntry, Manifest
from models.bundle.reader import read_manifest
from models.bundle.refined import RefinedManifest
from models.errors import BundleError
from models.hierarchical.hierarchy import Hierarchy
from models.prior import Prior
from models.refined.refiner import Refiner

AnyManifest = TypeVar("AnyManifest", Manifest, HierarchicalManifest, RefinedManifest)
TEACHER = "teacher."


def write_bundle(
    path: Path,
    manifest: Manifest,
    autoencoder: Autoencoder,
    prior: Prior,
    extra: Mapping[str, bytes] | None = None,
) -> Manifest:
    """Write a bundle to the folder `path`, replacing a bundle that is there.

    Everything is written beside `path` first and then renamed, so that no half-written bundle is ever seen.

    Args:
        manifest: its `files` are filled in here.
        extra: more files by plain name, such as report.json and samples.png.

    Returns:
        The manifest as written.

    Raises:
        BundleError: if `path` holds something else than a bundle, or cannot be written.
    """
    return _write(path, manifest, {AUTOENCODER: half_precision(autoencoder), PRIOR: half_precision(prior)}, extra)


def write_hierarchical_bundle(
    path: Path, manifest: HierarchicalManifest, hierarchy: Hierarchy, extra: Mapping[str, bytes] | None = None
) -> HierarchicalManifest:
    """Write a bundle like `write_bundle`, of a hierarchical model; teachers are left out."""
    levels = {
        level_file(number): half_precision(level, without=TEACHER) for number, level in enumerate(hierarchy.levels, 1)
    }
    return _write(path, manifest, {**levels, PRIOR: half_precision(hierarchy.prior)}, extra)


def write_refined_bundle(
    path: Path,
    manifest: RefinedManifest,
    base: tuple[Autoencoder, Prior],
    refiner: Refiner,
    extra: Mapping[str, bytes] | None = None,
) -> RefinedManifest:
    """Write a bundle like `write_bundle`, of an ordered model and what draws over its pictures."""
    networks: tuple[nn.Module, ...] = (*base, refiner)
    weights = {name: half_precision(network) for name, network in zip(manifest.weights, networks, strict=True)}
    return _write(path, manifest, weights, extra)


def _write(
    path: Path, manifest: AnyManifest, weights: Mapping[str, bytes], extra: Mapping[str, bytes] | None
) -> AnyManifest:
    if path.exists() and not (path / MANIFEST).is_file():
        raise BundleError(path, "exists and is not a bundle: choose another folder")
    files = {**weights, **(extra or {})}
    entries = {
        name: FileEntry(bytes=len(data), sha256=hashlib.sha256(data).hexdigest()) for name, data in files.items()
    }
    complete = manifest.model_copy(update={"files": entries})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
            fresh = Path(scratch) / "new"
            fresh.mkdir()
            for name, data in files.items():
                (fresh / name).write_bytes(data)
            (fresh / MANIFEST).write_text(complete.model_dump_json(indent=2) + "\n", encoding="utf-8")
            if path.exists():
                path.rename(Path(scratch) / "old")
            fresh.rename(path)
    except OSError as error:
        raise BundleError(path, f"cannot be written: {error.strerror}") from error
    return complete


def record_eight_bit(path: Path, check: EightBitCheck) -> None:
    """Write what became of a check into the `bundle.json` at folder `path`, all else in which stays as it is.

    Raises:
        BundleError: if there is no bundle, or it cannot be written.
    """
    read_manifest(path)
    file = path / MANIFEST
    content = {**json.loads(file.read_bytes()), "eight_bit": check.model_dump(mode="json")}
    ordered = {name: content[name] for name in Manifest.model_fields if name in content}
    scratch = file.with_name(f".{MANIFEST}.new")
    try:
        scratch.write_text(json.dumps(ordered, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        scratch.replace(file)
    except OSError as error:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise BundleError(file, f"cannot be written: {error.strerror}") from error


def half_precision(module: nn.Module, without: str | None = None) -> bytes:
    """A module's parameters as safetensors, floating-point ones in half precision.

    Args:
        without: how the names of those begin that are left out.
    """
    kept = {
        name: tensor for name, tensor in module.state_dict().items() if without is None or not name.startswith(without)
    }
    return save({name: tensor.detach().half().contiguous().cpu() for name, tensor in kept.items()})


def round_to_half(module: nn.Module) -> nn.Module:
    """Round a module's parameters, in place, to what `half_precision` stores; returns the module."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.half())
    return module
