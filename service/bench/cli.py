"""The commands `anytime bench deadline` and `anytime bench api`."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from models.errors import AnytimeError
from service.client.environment import API_KEY, URL, USUAL_URL

_CAPACITY = "Capacity"
_KeyOption = Annotated[str | None, typer.Option(help="Shown to the server.", envvar=API_KEY)]


class Format(StrEnum):
    """How samples are asked to be encoded."""

    PNG = "png"
    WEBP = "webp"
    JPEG = "jpeg"
    WAV = "wav"
    FLAC = "flac"
    OGG = "ogg"
    NPY = "npy"


def deadline(
    url: Annotated[str, typer.Option(help="The server.", envvar=URL)] = USUAL_URL,
    deadlines: Annotated[str, typer.Option(help="Milliseconds; each request has one of them.")] = "20,50,100,200",
    load: Annotated[str, typer.Option(help="Multiples of the capacity found, one after another.")] = "0.5,1,2,4",
    rate: Annotated[
        str | None, typer.Option(help="Requests per second instead of multiples: the same for servers of any capacity.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each load lasts.")] = 15.0,
    model: Annotated[str | None, typer.Option(help="Name of the model; else the default of the server.")] = None,
    seed: Annotated[int, typer.Option(help="Decides when which request is sent.")] = 0,
    n: Annotated[int, typer.Option(min=1, help="Samples per request.")] = 1,
    min_codes: Annotated[int, typer.Option(min=1, help="Fewest codes worth sending.")] = 1,
    max_codes: Annotated[int | None, typer.Option(min=1, help="Most codes per sample; all by default.")] = None,
    scale: Annotated[int, typer.Option(min=1, help="Enlarge pictures by a whole factor.")] = 1,
    file_format: Annotated[
        Format | None, typer.Option("--format", help="How samples are encoded; the model's usual format if left out.")
    ] = None,
    capacity_seconds: Annotated[
        float, typer.Option(min=0.1, help="How long each of two runs saturates the server.", rich_help_panel=_CAPACITY)
    ] = 4.0,
    warmup: Annotated[
        float, typer.Option(min=0, help="Seconds of such a run that do not count.", rich_help_panel=_CAPACITY)
    ] = 1.0,
    concurrency: Annotated[
        int, typer.Option(min=1, help="Requests under way at once in such a run.", rich_help_panel=_CAPACITY)
    ] = 64,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers to this file.")] = None,
    trace: Annotated[Path | None, typer.Option(help="Write every request and what became of it to this file.")] = None,
    api_key: _KeyOption = None,
) -> None:
    r"""Measure how a running server keeps deadlines under load, and what quality it delivers.

    Open-loop: requests arrive as a Poisson process and wait for no answers. All is judged at the client, from when a
    request was due to be sent to the last byte of its answer. Loads are multiples of a capacity that is measured first.

    Examples:
        anytime bench deadline --json deadline.json

        anytime bench deadline --deadlines 20,200 --load 1 --seconds 5 \
            --trace trace.jsonl
    """
    from rich.console import Console

    from service.bench.console import introduction, remarks, table
    from service.bench.deadline import Wish, run
    from service.bench.report import write_json, write_trace

    wish = Wish(
        deadlines=_numbers(deadlines, "--deadlines"),
        loads=_numbers(load, "--load"),
        rates=None if rate is None else _numbers(rate, "--rate"),
        seconds=seconds,
        model=model,
        seed=seed,
        warmup=warmup,
        capacity_seconds=capacity_seconds,
        concurrency=concurrency,
        n=n,
        min_codes=min_codes,
        max_codes=max_codes,
        scale=scale,
        format=file_format,
        key=api_key,
    )
    for file in (out, trace):
        _check_folder(file)
    console = Console()

    def say(sentence: str) -> None:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    report, lines = run(url, wish, say)
    for sentence in introduction(report):
        say(sentence)
    console.print(table(report))
    for sentence in remarks(report):
        say(sentence)
    if out is not None:
        write_json(report, out)
    if trace is not None:
        write_trace(lines, trace)


def api(
    url: Annotated[str | None, typer.Option(help="A running server; one with a null model if left out.")] = None,
    bundles: Annotated[Path | None, typer.Option(help="What that null model looks like from outside.")] = None,
    rate: Annotated[str, typer.Option(help="Requests per second of the open loads.")] = "500,1000,1500",
    concurrency: Annotated[int, typer.Option(min=1, help="Requests under way that saturate the server.")] = 16,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each load lasts.")] = 5.0,
    warmup: Annotated[float, typer.Option(min=0, help="Seconds before anything counts.")] = 1.0,
    model: Annotated[str | None, typer.Option(help="Name of the model; else the default of the server.")] = None,
    profile: Annotated[
        Path | None, typer.Option(help="Run the API process of the started server under cProfile, and write that here.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--json", help="Write the numbers to this file.")] = None,
    api_key: _KeyOption = None,
) -> None:
    """Measure what a request costs around the model: reading, deciding, handing over, encoding, answering.

    Starts a server whose model computes nothing, and asks it for complete samples: one at a time, then at given rates,
    then as fast as it can. The server and this program share the machine.

    Examples:
        anytime bench api --json api.json

        anytime bench api --rate 500 --seconds 1 --profile api.prof
    """
    from rich.console import Console

    from service.bench.launch import null_server
    from service.bench.overhead import Wish, run
    from service.bench.overhead_console import introduction, profile_lines, remarks, table
    from service.bench.report import write_json
    from service.settings import PRETRAINED

    if url is not None and (profile or bundles):
        raise typer.BadParameter("a running server is measured as it is", param_hint="--url")
    for file in (out, profile):
        _check_folder(file)
    wish = Wish(_numbers(rate, "--rate"), concurrency, seconds, warmup, model, api_key)
    if url is None:
        with null_server(bundles or PRETRAINED / "fashion-mnist", profile) as launched:
            report = run(launched.url, launched, wish, profiled=profile is not None)
    else:
        report = run(url, None, wish)
    console = Console()
    console.print(introduction(report), markup=False, highlight=False, soft_wrap=True)
    console.print(table(report))
    for sentence in remarks(report):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    if profile is not None:
        console.print(profile_lines(profile), markup=False, highlight=False, soft_wrap=True)
    if out is not None:
        write_json(report, out)


def _numbers(text: str, option: str) -> tuple[float, ...]:
    """Positive numbers with commas between them."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(0 < number < math.inf for number in numbers):
        raise typer.BadParameter("give positive numbers with commas between them", param_hint=option)
    return numbers


def _check_folder(file: Path | None) -> None:
    """A result that cannot be written is better known before it is measured than after."""
    if file is not None and not file.absolute().parent.is_dir():
        raise AnytimeError(f"cannot write {file}: there is no folder {file.absolute().parent}")
