"""The examples of the API page work as written, against the bundled model."""

from __future__ import annotations

import ast
import base64
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from event_stream import parse
from PIL import Image
from server_process import ROOT, ServerProcess, running_server
from snippets import commands, patient, programs, run

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(ROOT / "models" / "pretrained", tmp_path_factory.mktemp("server")) as each:
        yield each


def size_of(b64: str) -> tuple[int, int]:
    with Image.open(io.BytesIO(base64.b64decode(b64))) as picture:
        return picture.size


def test_the_curls(server: ServerProcess, tmp_path: Path) -> None:
    at_once, events, inference = (
        run(server, tmp_path, ["bash", "-ec"], patient(command))
        for command in commands(PAGE, "curl")
        if not any(path in command for path in ("shoe", "/v1/decode", "Bearer"))
    )
    (output,) = json.loads(at_once)["outputs"]
    assert (size_of(output["b64"]), output["label"]) == ((224, 224), "sneaker")
    (first, _), *previews, (last, completed) = parse(events)
    assert (first, last) == ("accepted", "completed")
    # None where the machine was away for a moment: a preview is not sent once the answer is there.
    assert {name for name, _ in previews} <= {"preview"}
    assert size_of(completed["outputs"][0]["b64"]) == (224, 224)
    encoded, counts = json.loads(inference)["outputs"]
    assert [size_of(each) for each in encoded["data"]] == [(224, 224)] * 2
    assert all(1 <= count <= 16 for count in counts["data"])


def test_encode_and_decode(server: ServerProcess, tmp_path: Path) -> None:
    (start,) = (command for command in commands(PAGE, "curl") if "-o shoe.png" in command)
    (end,) = (command for command in commands(PAGE, "curl") if "-o rebuilt.png" in command)
    lines = PAGE[PAGE.index(start) : PAGE.index(end) + len(end)]
    run(server, tmp_path, ["bash", "-ec"], lines)
    answer = json.loads((tmp_path / "shoe.json").read_text())
    assert (len(answer["codes"]), answer["bytes"]) == (4, 8)
    with Image.open(tmp_path / "rebuilt.png") as picture:
        assert picture.size == (224, 224)


def test_a_websocket_client(server: ServerProcess, tmp_path: Path) -> None:
    (program,) = (each for each in programs(PAGE) if "websockets" in each)
    printed = run(server, tmp_path, [sys.executable, "-c"], patient(program))
    assert re.search(r"^done: \d+ codes, (complete|deadline)$", printed, re.MULTILINE)
    with Image.open(tmp_path / "bag.png") as picture:
        assert picture.size == (224, 224)


def test_openais_client(server: ServerProcess, tmp_path: Path) -> None:
    (program,) = (each for each in programs(PAGE) if "openai" in each)
    models, image, *events = run(server, tmp_path, [sys.executable, "-c"], patient(program)).splitlines()
    assert "fashion-mnist" in ast.literal_eval(models)
    assert image == "complete 16 codes"
    assert events[-1].startswith("image_generation.completed ")
    assert {each.split()[0] for each in events[:-1]} == {"image_generation.partial_image"}
    with Image.open(tmp_path / "sneaker.png") as picture:
        assert picture.size == (224, 224)


def test_tritons_client(server: ServerProcess, tmp_path: Path) -> None:
    (program,) = (each for each in programs(PAGE) if "triton" in each)
    output, result = run(server, tmp_path, [sys.executable, "-c"], patient(program)).splitlines()
    assert output == "{'name': 'image', 'datatype': 'FP32', 'shape': [-1, 1, 28, 28]}"
    assert result == "(2, 1, 28, 28) [16 16] [b'complete' b'complete']"
