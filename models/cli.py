"""The commands `anytime bundle`, to look into a bundle and check it, and `anytime bench engine`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from models.bundle.hierarchical import HierarchicalManifest
from models.bundle.manifest import EightBitCheck, Manifest
from models.bundle.reader import AnyManifest, verify_any_bundle
from models.bundle.refined import RefinedManifest
from models.config import Frozen

BundlePath = Annotated[Path, typer.Argument(help="The bundle's folder.")]

# Groups that the other packages add commands of theirs to.
bundle = typer.Typer(no_args_is_help=True)
bench = typer.Typer(no_args_is_help=True)


@bundle.callback()
def _bundle() -> None:
    """Look into bundles, check them, make random ones.

    Examples:
        anytime bundle show models/pretrained/fashion-mnist

        anytime bundle show --help
    """


@bench.callback()
def _bench() -> None:
    """Measure the engine on this machine, or a server.

    Examples:
        anytime bench engine --bundle models/pretrained/fashion-mnist --batch 1

        anytime bench deadline --help
    """


def register(app: typer.Typer) -> None:
    """Add the commands."""
    from models.hierarchical import cli as hierarchical

    app.add_typer(bundle, name="bundle")
    app.add_typer(bench, name="bench")
    app.add_typer(hierarchical.hierarchy, name="hierarchy")
    bench.command()(hierarchical.incremental)


@bundle.command()
def show(path: BundlePath) -> None:
    """Say what a bundle holds.

    Example:
        anytime bundle show models/pretrained/fashion-mnist
    """
    console = Console()
    manifest = verify_any_bundle(path)
    console.print(_facts(path, manifest))
    if isinstance(manifest, Manifest):
        console.print(_curve(manifest))


@bundle.command()
def verify(path: BundlePath) -> None:
    """Check every file of a bundle against its checksum, and that its weights fit its description.

    Example:
        anytime bundle verify runs/mine/bundle
    """
    from models.bundle.networks import load_any

    manifest = load_any(path).manifest
    Console().print(f"{path}: {manifest.name}, version {manifest.version}, is whole ({len(manifest.files)} files)")


@bench.command()
def engine(
    bundle: Annotated[Path, typer.Option(help="The bundle whose model is measured.")],
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads, as the service's workers use.")] = 1,
    batch: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Batch sizes; repeat the option.", show_default="1, 4, 16, 64; on cuda 1, 64, 4096"),
    ] = None,
    repeats: Annotated[int, typer.Option(min=5, help="Complete samples per batch size.")] = 20,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers to this file.")] = None,
    profile: Annotated[
        Path | None, typer.Option(help="Write a trace of one batch to this file (Chrome, JSON).")
    ] = None,
) -> None:
    r"""Time each step and decode of a bundle's model, against the time that reading its weights takes.

    Example:
        anytime bench engine --bundle models/pretrained/fashion-mnist \
            --batch 1 --batch 64 --json engine.json
    """
    import torch

    from models.benchmark import benchmark_engine, on_cuda
    from models.runtime import determinism

    determinism.configure()
    torch.set_num_threads(threads)
    batches = tuple(batch or ((1, 64, 4096) if on_cuda(device) else (1, 4, 16, 64)))
    result = benchmark_engine(bundle, device, batches, repeats, profile)
    Console().print(_timings(result))
    if out is not None:
        out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _timings(result: dict[str, Any]) -> Table:
    title = f"{result['bundle']} on {result['machine']}, {result['threads']} thread(s)"
    table = Table(title=title, title_justify="left")
    for heading in (
        "executor",
        "batch",
        "ms per step",
        "quartiles",
        "codes per s",
        "times the floor",
        "ms per decode",
        "decoded per s",
    ):
        table.add_column(heading, justify="right")
    for row in result["rows"]:
        low, high = row["ms_quartiles"]
        table.add_row(
            row["executor"],
            str(row["batch"]),
            f"{row['ms_per_step']:.3f}",
            f"{low:.3f} to {high:.3f}",
            f"{row['codes_per_s']:,.0f}",
            f"{row['floor_ratio']:.1f}",
            f"{row['ms_per_decode']:.3f}",
            f"{row['decodes_per_s']:,.0f}",
        )
    return table


def _facts(path: Path, manifest: AnyManifest) -> Table:
    table = Table(title=str(path), show_header=False, title_justify="left")
    rows = {
        "name": f"{manifest.name}, version {manifest.version}",
        "kind": f"{manifest.kind}, bundle format {manifest.format_version}",
        "description": manifest.description,
        "media": f"{manifest.media.type} {' x '.join(map(str, manifest.media.shape))}",
        "labels": ", ".join(manifest.labels) or "none",
        **_own_facts(manifest),
        "sampling": ", ".join(f"{name} {value:g}" for name, value in manifest.sampling.model_dump().items()),
        "files": "\n".join(f"{name} ({entry.bytes:,} bytes)" for name, entry in manifest.files.items()),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _own_facts(manifest: AnyManifest) -> dict[str, str]:
    """What only models of its kind have."""
    if isinstance(manifest, HierarchicalManifest):
        return _hierarchy_facts(manifest)
    if isinstance(manifest, RefinedManifest):
        refined = f"{manifest.pixels.bits} bits of each channel; gated PixelCNN: {_sizes(manifest.refiner.local)}"
        return {"base": manifest.base.reference, **_ordered_facts(manifest.base), "pixels": refined}
    return _ordered_facts(manifest)


def _ordered_facts(manifest: Manifest) -> dict[str, str]:
    autoencoder, prior = manifest.autoencoder, manifest.prior
    return {
        "codes": f"{autoencoder.codes} of {autoencoder.codebook}, {autoencoder.code_dim(manifest.media)} numbers each",
        "prior": f"{prior.kind}: {_sizes(prior)}",
        "eight bits": _eight_bits(manifest.eight_bit),
    }


def _hierarchy_facts(manifest: HierarchicalManifest) -> dict[str, str]:
    grids = manifest.hierarchy.grids
    rows = {}
    for number, (level, grid) in enumerate(zip(manifest.hierarchy.levels, grids[1:], strict=True), 1):
        channels = f"{grid.channels} of " if grid.channels > 1 else ""
        rows[f"level {number}"] = (
            f"{grid.height} x {grid.width} codes, {channels}{grid.bits} bits; auxiliary decoder {level.auxiliary.kind}"
        )
    pixels = f"{grids[0].bits} bits of each channel"
    return {"pixels": pixels, **rows, "prior": f"gated PixelCNN: {_sizes(manifest.hierarchy.prior)}"}


def _sizes(prior: Frozen) -> str:
    sizes = prior.model_dump(exclude={"kind", "dropout"}, exclude_none=True)
    return ", ".join(f"{name} {value}" for name, value in sizes.items())


def _eight_bits(check: EightBitCheck | None) -> str:
    """What became of the check of `native-int8`, and so what `--executor auto` takes."""
    if check is None:
        return "not checked"
    if check.outdated:
        return "checked with an executor that has changed since; anytime evaluate --record checks again"
    worst = max(check.fractions, key=lambda each: each.ratio)
    return (
        f"{'passed' if check.passed else 'NOT passed'}: with {check.samples:,} samples {check.distance} is at worst "
        f"{worst.eight_bit:.2f} beside {worst.full_precision:.2f} ({worst.codes} codes); "
        f"{check.agreement:.1%} of the codes agree"
    )


def _curve(manifest: Manifest) -> Table:
    """Expected quality by number of codes, as bars."""
    table = Table(title="expected quality by codes", title_justify="left", show_header=False)
    for codes, quality in enumerate(manifest.quality_curve):
        table.add_row(str(codes), f"{quality:.3f}", "█" * round(40 * quality))
    return table
