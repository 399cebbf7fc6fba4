"""`anytime generate`: ask a server for samples, show what each deadline bought, and write them down."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
from rich.console import Console
from rich.table import Table

from models.errors import AnytimeError
from service.commands.strip import strip

PICTURES = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg"}
FORMATS = {**PICTURES, ".wav": "wav", ".flac": "flac", ".ogg": "ogg", ".npy": "npy"}
_PICTURE_SCALE = 8  # the models' pictures are small, and are looked at on a screen
_PATIENCE_SECONDS = 30.0
_LARGEST_SEED = 2**53 - 1


@dataclass(frozen=True)
class Wish:
    """What to ask for, at every deadline alike; None leaves it to the server, but for the scale of pictures: 8."""

    model: str | None
    seed: int | None
    label: str | None
    n: int
    scale: int | None = None

    def body(self, deadline_ms: float | None, file_format: str) -> dict[str, object]:
        """The request body."""
        usual_scale = _PICTURE_SCALE if file_format in PICTURES.values() else None
        label = int(self.label) if self.label is not None and self.label.isdecimal() else self.label
        fields = {
            "model": self.model,
            "seed": self.seed,
            "label": label,
            "n": self.n,
            "scale": usual_scale if self.scale is None else self.scale,
            "deadline_ms": deadline_ms,
            "format": file_format,
        }
        return {name: value for name, value in fields.items() if value is not None}


class Output(msgspec.Struct):
    """As much of an output as is shown."""

    b64: bytes
    codes: list[int]
    codes_total: int
    stop_reason: str
    expected_quality: float
    seed: int


class Answer(msgspec.Struct):
    """As much of an answer as is shown; `client_ms` is measured here, from before the request to its last byte."""

    outputs: list[Output]
    deadline_ms: float
    client_ms: float = 0.0


class _RefusedError(AnytimeError):
    """The server answered one request with a problem."""


class _Problem(msgspec.Struct):
    title: str
    status: int
    detail: str


def generate(url: str, wish: Wish, deadlines: Sequence[float], out: Path) -> None:
    """Ask once per deadline, or once without one, print what came, and write it to `out`.

    A deadline that is refused takes nothing from the others: that is said on stderr.

    Raises:
        AnytimeError: the server cannot be reached or refuses every deadline, or the file cannot be written.
    """
    suffix = out.suffix.lower()
    if suffix not in FORMATS:
        raise AnytimeError(f"cannot tell the format of {out}; use one of {', '.join(FORMATS)}")
    several = len(deadlines) > 1 or wish.n > 1
    if several and suffix not in PICTURES:
        raise AnytimeError(f"{out} can hold one sample only; ask for one deadline and n = 1")
    if wish.seed is None:
        # One seed for all deadlines, so that each answer refines the one before.
        wish = Wish(wish.model, random.randint(0, _LARGEST_SEED), wish.label, wish.n, wish.scale)  # noqa: S311
    file_format = "png" if several else FORMATS[suffix]
    bodies = [wish.body(deadline, file_format) for deadline in deadlines] or [wish.body(None, file_format)]
    answers = ask_all(url, bodies)
    _print(answers)
    _write(answers, out, several=several)


def ask_all(url: str, bodies: Sequence[dict[str, object]]) -> list[Answer]:
    """Send the requests one after another over one connection, which is open before the first is timed.

    Raises:
        AnytimeError: the server cannot be reached, or refuses every one.
    """
    answers: list[Answer] = []
    refusals: list[_RefusedError] = []
    try:
        with httpx.Client(base_url=url, timeout=_PATIENCE_SECONDS) as client:
            client.get("/livez")
            for body in bodies:
                try:
                    answers.append(_ask(client, body))
                except _RefusedError as error:
                    refusals.append(error)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise AnytimeError(f"{url} is not the address of a server: {error}") from error
    except httpx.TimeoutException as error:
        raise AnytimeError(f"{url} did not answer within {_PATIENCE_SECONDS:g} seconds") from error
    except httpx.HTTPError as error:
        raise AnytimeError(f"cannot reach a server at {url}: {error}") from error
    if not answers:
        raise refusals[0]
    for refusal in refusals:
        Console(stderr=True).print(str(refusal), markup=False, highlight=False, soft_wrap=True)
    return answers


def _ask(client: httpx.Client, body: dict[str, object]) -> Answer:
    start = time.perf_counter()
    # The deadline counts from the server's receipt; a long one must outlast the client's own patience.
    deadline_ms = body.get("deadline_ms")
    waits = _PATIENCE_SECONDS + (deadline_ms / 1000 if isinstance(deadline_ms, float) else 0)
    response = client.post("/v1/generate", json=body, timeout=waits)
    client_ms = (time.perf_counter() - start) * 1000
    try:
        if response.status_code != httpx.codes.OK:
            problem = msgspec.json.decode(response.content, type=_Problem)
            raise _RefusedError(f"the server answered {problem.status} {problem.title.lower()}: {problem.detail}")
        answer = msgspec.json.decode(response.content, type=Answer)
    except msgspec.DecodeError as error:
        raise AnytimeError(f"{client.base_url} does not answer like an anytime server") from error
    answer.client_ms = client_ms
    return answer


def _print(answers: Sequence[Answer]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("deadline ms", "codes", "quality", "client ms"):
        table.add_column(heading, justify="right")
    table.add_column("stopped by")
    for answer in answers:
        for output in answer.outputs:
            table.add_row(
                f"{answer.deadline_ms:g}",
                f"{len(output.codes)}/{output.codes_total}",
                f"{output.expected_quality:.3f}",
                f"{answer.client_ms:.1f}",
                output.stop_reason,
            )
    console = Console()
    console.print(table)
    console.print(f"seed {answers[0].outputs[0].seed}", highlight=False)


def _write(answers: Sequence[Answer], out: Path, *, several: bool) -> None:
    try:
        if several:
            strip(*_columns(answers)).save(out)
        else:
            out.write_bytes(answers[0].outputs[0].b64)
    except OSError as error:
        raise AnytimeError(f"cannot write {out}: {(error.strerror or str(error)).lower()}") from error


def _columns(answers: Sequence[Answer]) -> tuple[list[list[bytes]], list[str]]:
    """One column per deadline; or, of a single answer, one per sample."""
    if len(answers) == 1:
        outputs = answers[0].outputs
        return [[output.b64] for output in outputs], [_code_counts([output]) for output in outputs]
    columns = [[output.b64 for output in answer.outputs] for answer in answers]
    return columns, [f"{answer.deadline_ms:g} ms\n{_code_counts(answer.outputs)}" for answer in answers]


def _code_counts(outputs: Sequence[Output]) -> str:
    counts = sorted({len(output.codes) for output in outputs})
    drawn = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"
    return f"{drawn} of {outputs[0].codes_total} codes"
