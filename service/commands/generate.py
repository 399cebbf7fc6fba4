"""`anytime generate`: ask a server for samples, show what each deadline bought, and write them down."""

from __future__ import annotations

import io
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from models.errors import AnytimeError
from service.client import environment
from service.client.errors import Refused
from service.client.formats import FORMATS, PICTURES
from service.client.metadata import embed, read_sample
from service.client.request import KEPT, Further, Options, Request, refining, varying
from service.client.samples import Answer, Model, Output, Sample
from service.client.sync import AnytimeClient
from service.commands.strip import strip
from service.commands.terminal import protocol_of, show, small
from service.commands.watch import Watcher, preview_ms
from service.lookup import label_named, model_named, model_of

_PICTURE_SCALE = 8  # the models' pictures are small, and are looked at on a screen
_LARGEST_SEED = 2**53 - 1


@dataclass(frozen=True)
class Wish:
    """What to ask for, at every deadline alike; None leaves it to the server, but for the scale of pictures: 8.

    Args:
        source: a file with a sample to go on with, which says model, label and, unless it is varied, the seed.
        vary: whether others of its look are wanted.
        keep: of how many codes that is.
        pick: which of the file's samples, if it holds several.
    """

    model: str | None = None
    seed: int | None = None
    label: str | None = None
    n: int = 1
    scale: int | None = None
    source: Path | None = None
    vary: bool = False
    keep: int = KEPT
    pick: int | None = None

    def check(self) -> None:
        """Raises AnytimeError for what cannot be asked for together."""
        if self.source is None:
            return
        if self.model is not None or self.label is not None:
            raise AnytimeError(f"{self.source} says which model and label; leave out --model and --label")
        if not self.vary and (self.seed is not None or self.n != 1):
            raise AnytimeError(f"{self.source} says which seed and sample; leave out --seed and --n, or use --vary")


def generate(
    wish: Wish,
    deadlines: Sequence[float],
    out: Path,
    *,
    url: str | None = None,
    api_key: str | None = None,
    watch: bool = False,
) -> None:
    """Ask once per deadline, or once without one, print and show what came, and write it to `out`.

    A deadline that is refused takes nothing from the others: that is said on stderr.

    Raises:
        AnytimeError: the server cannot be reached or refuses every deadline, or a file cannot be read or written.
    """
    wish.check()
    file_format = _format(out, wish, deadlines)
    if watch and len(deadlines) > 1:
        raise AnytimeError("--watch follows one request; ask for one deadline")
    console = Console()
    protocol = protocol_of(console, environment.variables())
    with AnytimeClient(url, api_key=api_key) as client:
        model, requests = _requests(wish, deadlines or [None], file_format, client)
        if watch:
            with client.stream_request(requests[0], preview_ms(requests[0].deadline_ms)) as stream:
                answers = [Bought(requests[0], Watcher(console, protocol).watch(stream))]
        else:
            answers = ask_all(client, requests)
    outputs = [output for bought in answers for output in bought.answer.outputs]
    file = _file(answers, model, FORMATS[out.suffix.lower()])
    _write(file, out)
    _print(console, answers)
    if file_format in PICTURES:
        show(console, protocol, file, [small(each.data, each.scale) for each in outputs])


class Bought(NamedTuple):
    """A request, and the answer that its deadline has bought."""

    request: Request
    answer: Answer

    @property
    def deadline_ms(self) -> float:
        """The deadline that was asked for, or else the server's own."""
        return self.request.deadline_ms or self.answer.deadline_ms


def ask_all(client: AnytimeClient, requests: Iterable[Request]) -> list[Bought]:
    """Send the requests one after another.

    Raises:
        AnytimeError: the server cannot be reached, or refuses every one.
    """
    answers: list[Bought] = []
    refusals: list[Refused] = []
    for request in requests:
        try:
            answers.append(Bought(request, client.ask(request)))
        except Refused as error:
            refusals.append(error)
    if not answers:
        raise refusals[0]
    for refusal in refusals:
        Console(stderr=True).print(str(refusal), markup=False, highlight=False, soft_wrap=True)
    return answers


def _format(out: Path, wish: Wish, deadlines: Sequence[float]) -> str:
    """How samples are asked to be encoded. Raises AnytimeError if the file cannot hold them."""
    suffix = out.suffix.lower()
    if suffix not in FORMATS:
        raise AnytimeError(f"cannot tell the format of {out}; use one of {', '.join(FORMATS)}")
    if len(deadlines) <= 1 and wish.n == 1:
        return FORMATS[suffix]
    if FORMATS[suffix] not in PICTURES:
        raise AnytimeError(f"{out} can hold one sample only; ask for one deadline and n = 1")
    return "png"


def _requests(
    wish: Wish, deadlines: Sequence[float | None], file_format: str, client: AnytimeClient
) -> tuple[Model, list[Request]]:
    """The model, and a request for each deadline. Opens the connection before anything is timed."""
    sample = None if wish.source is None else read_sample(wish.source, wish.pick)
    models = client.models()
    model = model_named(wish.model, models, client.url) if sample is None else model_of(sample, models, client.url)
    label = label_named(wish.label, model)
    # One seed for all deadlines, so that each answer refines the one before.
    seed = random.randint(0, _LARGEST_SEED) if wish.seed is None else wish.seed  # noqa: S311
    usual = (_PICTURE_SCALE if sample is None else sample.scale) if file_format in PICTURES else 1
    scale = usual if wish.scale is None else wish.scale
    requests: list[Request] = []
    for deadline_ms in deadlines:
        further = Further(deadline_ms=deadline_ms, scale=scale, format=file_format)
        if sample is None:
            asked = Options(model=wish.model or model.name, seed=seed, label=label, n=wish.n)
            requests.append(Request.of({**asked, **further}))
        elif wish.vary:
            requests.append(_varied(sample, wish, seed, further))
        else:
            requests.append(refining(sample, further))
    return model, requests


def _varied(sample: Sample, wish: Wish, seed: int, further: Further) -> Request:
    try:
        return varying(sample, wish.n, wish.keep, seed, further)
    except ValueError as error:
        raise AnytimeError(f"--keep: {error}") from error


def _print(console: Console, answers: Sequence[Bought]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("deadline ms", "codes", "quality", "client ms"):
        table.add_column(heading, justify="right")
    table.add_column("stopped by")
    for bought in answers:
        for output in bought.answer.outputs:
            table.add_row(
                f"{bought.deadline_ms:g}",
                f"{len(output.codes)}/{output.codes_total}",
                f"{output.expected_quality:.3f}",
                f"{bought.answer.client_ms:.1f}",
                str(output.stop_reason),
            )
    console.print(table)
    console.print(f"seed {answers[0].answer.output.seed}", highlight=False)


def _file(answers: Sequence[Bought], model: Model, file_format: str) -> bytes:
    """What is written: the sample as it came, or all of them in one picture; with the facts of each."""
    outputs = [output for bought in answers for output in bought.answer.outputs]
    content = outputs[0].data
    if len(outputs) > 1:
        buffer = io.BytesIO()
        strip(*_columns(answers)).save(buffer, file_format)
        content = buffer.getvalue()
    facts = [output.facts() for output in outputs]
    return embed(content, [msgspec.structs.replace(each, version=model.version) for each in facts])


def _write(content: bytes, out: Path) -> None:
    try:
        out.write_bytes(content)
    except OSError as error:
        raise AnytimeError(f"cannot write {out}: {(error.strerror or str(error)).lower()}") from error


def _columns(answers: Sequence[Bought]) -> tuple[list[list[bytes]], list[str]]:
    """One column per deadline; or, of a single answer, one per sample."""
    if len(answers) == 1:
        outputs = answers[0].answer.outputs
        return [[output.data] for output in outputs], [_code_counts([output]) for output in outputs]
    columns = [[output.data for output in bought.answer.outputs] for bought in answers]
    return columns, [f"{bought.deadline_ms:g} ms\n{_code_counts(bought.answer.outputs)}" for bought in answers]


def _code_counts(outputs: Sequence[Output]) -> str:
    counts = sorted({len(output.codes) for output in outputs})
    drawn = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"
    return f"{drawn} of {outputs[0].codes_total} codes"
