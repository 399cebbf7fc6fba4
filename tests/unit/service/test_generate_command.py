"""`anytime generate` against a live app: what it writes, what it prints, how it fails."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile
from fake_pool import FakePool, FakeTicket, app_over, audio_manifest, manifest, result
from live_server import live
from PIL import Image
from socket_client import preview

from models.errors import AnytimeError
from service.client.metadata import embed, read_sample, read_samples
from service.commands.generate import Wish, generate
from service.commands.strip import strip
from service.encode import encode
from service.errors import DeadlineInfeasible
from service.settings import Settings

WISH = Wish(model=None, seed=7, label=None, n=1, scale=4)


def ask(url: str, wish: Wish, deadlines: list[float], out: Path, **options: Any) -> None:
    generate(wish, deadlines, out, url=url, **options)


def grey(level: float, file_format: str = "png", scale: int = 4) -> bytes:
    return encode(manifest().media, np.full((1, 4, 4), level, np.float32), file_format, scale)


def tone(level: float, file_format: str) -> bytes:
    media = audio_manifest().media
    return encode(media, np.full(media.shape, level, np.float32), file_format)


@pytest.fixture
def pool() -> FakePool:
    """Answers with as many codes as the deadline has tens of seconds, each a lighter grey."""
    pool = FakePool()

    def answer(ticket: FakeTicket) -> None:
        codes = min(4, round((ticket.deadline - pool.clock.now()) / 10))
        encoding = ticket.generation.encoding
        ticket.tell(result(ticket, codes, "deadline", grey(codes / 4, encoding.format, encoding.scale)))

    pool.on_submit = answer
    return pool


@pytest.fixture
async def url(pool: FakePool) -> AsyncIterator[str]:
    async with live(app_over(pool, Settings()), Settings()) as address:
        yield f"http://{address}"


async def test_one_picture_is_written_as_it_came(url: str, pool: FakePool, tmp_path: Path) -> None:
    for suffix, file_format in ((".png", "png"), (".WEBP", "webp"), (".jpg", "jpeg"), (".npy", "npy")):
        out = tmp_path / f"x{suffix}"
        await asyncio.to_thread(ask, url, WISH, [20_000.0], out)
        assert out.read_bytes() == embed(grey(0.5, file_format), read_samples(out))
        assert pool.tickets[-1].generation.sampling.seed == 7


async def test_one_clip_is_written_as_it_came(tmp_path: Path) -> None:
    """Enlarged only if that was asked for, and then it is the server that refuses."""
    pool = FakePool(audio_manifest())
    pool.on_submit = lambda ticket: ticket.tell(result(ticket, data=tone(0.5, ticket.generation.encoding.format)))
    async with live(app_over(pool, Settings()), Settings()) as address:
        for suffix, file_format in ((".wav", "wav"), (".FLAC", "flac"), (".npy", "npy")):
            out = tmp_path / f"x{suffix}"
            await asyncio.to_thread(ask, f"http://{address}", Wish(None, 7, None, 1), [20_000.0], out)
            assert out.read_bytes() == embed(tone(0.5, file_format), read_samples(out))
        out = tmp_path / "x.ogg"
        await asyncio.to_thread(ask, f"http://{address}", Wish(None, 7, None, 1), [], out)
        assert soundfile.info(out).frames == 80
        for wish, name, says in (
            (WISH, "x.wav", "422 invalid field: scale: must be 1"),
            (Wish(None, 7, None, 1), "x.png", "422 invalid field: format: must be one of wav, flac, ogg, npy"),
        ):
            with pytest.raises(AnytimeError, match=says):
                await asyncio.to_thread(ask, f"http://{address}", wish, [], tmp_path / name)


async def test_pictures_are_enlarged_by_eight_unless_told(url: str, pool: FakePool, tmp_path: Path) -> None:
    for suffix, scale in ((".png", 8), (".jpg", 8), (".npy", 1)):
        await asyncio.to_thread(ask, url, Wish(None, 7, None, 1), [], tmp_path / f"x{suffix}")
        assert pool.tickets[-1].generation.encoding.scale == scale


async def test_a_label_may_be_an_index(url: str, pool: FakePool, tmp_path: Path) -> None:
    for label, index in (("bag", 1), ("2", 2)):
        await asyncio.to_thread(ask, url, Wish(None, None, label, 1, 1), [], tmp_path / "x.png")
        assert pool.tickets[-1].generation.sampling.label == index


async def test_several_deadlines_make_a_table_and_a_strip(
    url: str, pool: FakePool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "strip.png"
    await asyncio.to_thread(ask, url, Wish(None, None, None, 2, 4), [10_000.0, 20_000.0, 40_000.0], out)
    assert len({ticket.generation.sampling.seed for ticket in pool.tickets}) == 1
    with Image.open(out) as sheet:
        colors = sheet.convert("L").getcolors(1 << 16)
    assert colors is not None
    levels = [level for _, level in colors]
    assert {64, 128, 255} <= set(levels)
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines if "deadline" in line and "/" in line]
    assert [(row[0], row[1], row[4]) for row in rows] == [
        (deadline, codes, "deadline")
        for deadline, codes in (("10000", "1/4"), ("20000", "2/4"), ("40000", "4/4"))
        for _ in range(2)
    ]


def test_strip_places_every_picture_and_caption() -> None:
    columns = [[grey(0.0), grey(0.25)], [grey(0.5), grey(0.75)]]
    sheet = np.asarray(strip(columns, ["20 ms\n2 codes", "50 ms\n3 codes"]).convert("L"))
    for level in (0, 64, 128, 191):
        assert np.count_nonzero(sheet == level) >= 16 * 16, level
    feet = sheet[8 + 2 * (16 + 8) :]
    left, right = feet[:, : feet.shape[1] // 2], feet[:, feet.shape[1] // 2 :]
    assert left.min() < 100
    assert right.min() < 100


async def test_a_file_says_what_it_takes_to_go_on_with_it(url: str, pool: FakePool, tmp_path: Path) -> None:
    first, finer, others = tmp_path / "x.jpg", tmp_path / "finer.npy", tmp_path / "others.png"
    await asyncio.to_thread(ask, url, Wish(seed=7, label="bag", scale=2), [20_000.0], first)
    sample = read_sample(first)
    assert (sample.model, sample.version, sample.seed, sample.label) == ("tiny", manifest().version, 7, "Bag")
    assert (sample.codes, sample.codes_total, sample.scale, sample.stop_reason) == ((0, 1), 4, 2, "deadline")
    await asyncio.to_thread(ask, url, Wish(source=first), [40_000.0], finer)
    asked = pool.tickets[-1].generation
    assert (asked.sampling.seed, asked.sampling.label, asked.sampling.codes) == (7, 1, (0, 1))
    assert read_sample(finer).codes == (0, 1, 2, 3)
    await asyncio.to_thread(ask, url, Wish(source=first, vary=True, keep=1, n=3), [40_000.0], others)
    asked = pool.tickets[-1].generation
    assert (asked.n, asked.sampling.codes, asked.encoding.scale) == (3, (0,), 2)
    assert asked.sampling.seed != 7
    assert [each.index for each in read_samples(others)] == [0, 1, 2]
    assert read_sample(others, 2).index == 2


async def test_what_cannot_be_gone_on_with(url: str, tmp_path: Path) -> None:
    file, out = tmp_path / "x.png", tmp_path / "y.png"
    await asyncio.to_thread(ask, url, WISH, [20_000.0], file)
    sample = read_sample(file)
    changed = tmp_path / "changed.png"
    changed.write_bytes(embed(file.read_bytes(), [msgspec.structs.replace(sample, version="other")]))
    unknown = tmp_path / "unknown.png"
    unknown.write_bytes(embed(file.read_bytes(), [msgspec.structs.replace(sample, model="unknown")]))
    for wish, says in (
        (Wish(source=tmp_path / "nowhere.png"), "cannot read .*nowhere.png: no such file"),
        (Wish(source=changed), "the sample is of tiny version other, and .* to which its codes mean something else"),
        (Wish(source=unknown), "has no model 'unknown', only tiny"),
        (Wish(source=file, seed=3), "says which seed and sample; leave out --seed and --n"),
        (Wish(source=file, n=2), "says which seed and sample"),
        (Wish(source=file, label="bag"), "says which model and label"),
        (
            Wish(source=file, vary=True, keep=3),
            "--keep: keep must be from 0 to 2, the codes that the sample has",
        ),
    ):
        with pytest.raises(AnytimeError, match=says):
            await asyncio.to_thread(ask, url, wish, [20_000.0], out)
    with pytest.raises(AnytimeError, match="--watch follows one request"):
        ask(url, WISH, [20_000.0, 40_000.0], out, watch=True)


async def test_watching_where_there_is_no_terminal(
    url: str, pool: FakePool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for every preview; no picture, and no escape sequence."""

    def answer(ticket: FakeTicket) -> None:
        assert ticket.generation.preview_ms == 100
        ticket.tell(preview(ticket, 1, data=grey(0.25)))
        ticket.tell(result(ticket, 4, "complete", grey(1.0)))

    pool.on_submit = answer
    await asyncio.to_thread(ask, url, WISH, [20_000.0], tmp_path / "x.png", watch=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1/4 codes, quality 0.500, ") or lines[0].startswith("deadline ms")
    assert lines[-2].split()[:3] == ["20000", "4/4", "1.000"]
    assert "\x1b" not in "".join(lines)
    assert "\u2580" not in "".join(lines)
    assert read_sample(tmp_path / "x.png").codes == (0, 1, 2, 3)


async def test_refusals_are_one_sentence(url: str, pool: FakePool, tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    pool.refuse_with(DeadlineInfeasible("The smallest deadline that would do is 3.25 ms.", 3.25))
    with pytest.raises(
        AnytimeError, match=r"504 deadline infeasible: The smallest deadline that would do is 3.25 ms\.$"
    ):
        await asyncio.to_thread(ask, url, WISH, [1_000.0], out)
    for wish, says in (
        (Wish("tinny"), r"has no model 'tinny' \(did you mean 'tiny'\?\), only tiny$"),
        (Wish("nope"), r"has no model 'nope', only tiny$"),
        (Wish(label="baag"), r"tiny has no label 'baag' \(did you mean 'Bag'\?\), only Boot, Bag, Coat$"),
    ):
        with pytest.raises(AnytimeError, match=says):
            await asyncio.to_thread(ask, url, wish, [1_000.0], out)
    assert not await asyncio.to_thread(out.exists)


async def test_a_refused_deadline_takes_nothing_from_the_others(
    url: str, pool: FakePool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = pool.on_submit

    def refuse_the_shortest(ticket: FakeTicket) -> None:
        if ticket.deadline - pool.clock.now() < 15.0:
            raise DeadlineInfeasible("The smallest deadline that would do is 3.25 ms.", 3.25)
        answer(ticket)

    pool.on_submit = refuse_the_shortest
    await asyncio.to_thread(ask, url, WISH, [10_000.0, 20_000.0, 30_000.0], tmp_path / "strip.png")
    printed = capsys.readouterr()
    assert (
        printed.err.strip()
        == "the server answered 504 deadline infeasible: The smallest deadline that would do is 3.25 ms."
    )
    assert [line.split()[:2] for line in printed.out.splitlines()[1:3]] == [["20000", "2/4"], ["30000", "3/4"]]
    assert (tmp_path / "strip.png").exists()


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(AnytimeError, match=rf"cannot reach a server at http://127\.0\.0\.1:{port}"):
        ask(f"http://127.0.0.1:{port}", WISH, [], tmp_path / "x.png")


@pytest.mark.parametrize("url", ["ftp://x", "localhost:8000", ""])
def test_not_an_address(url: str, tmp_path: Path) -> None:
    with pytest.raises(AnytimeError, match="is not the address of a server"):
        ask(url, WISH, [], tmp_path / "x.png")


async def test_not_an_anytime_server(tmp_path: Path) -> None:
    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 << 16)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(AnytimeError, match=r"the answer is not one of an anytime server"):
            await asyncio.to_thread(ask, url, WISH, [], tmp_path / "x.png")


async def test_files_that_cannot_be_written(url: str, tmp_path: Path) -> None:
    with pytest.raises(AnytimeError, match=r"cannot tell the format of .*x\.gif"):
        ask(url, WISH, [], tmp_path / "x.gif")
    with pytest.raises(AnytimeError, match="one sample only"):
        ask(url, WISH, [10_000.0, 20_000.0], tmp_path / "x.npy")
    with pytest.raises(AnytimeError, match="one sample only"):
        ask(url, Wish(None, 7, None, 2), [], tmp_path / "x.wav")
    for deadlines in ([10_000.0], [10_000.0, 20_000.0]):
        with pytest.raises(AnytimeError, match=r"cannot write .*: no such file or directory"):
            await asyncio.to_thread(ask, url, WISH, deadlines, tmp_path / "missing" / "x.png")
