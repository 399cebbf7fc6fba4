"""What the README tells a newcomer to type works as written, against the bundled model."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from server_process import ROOT, ServerProcess, running_server
from snippets import commands, patient, programs, run

from anytime import read_sample

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(ROOT / "models" / "pretrained", tmp_path_factory.mktemp("server")) as each:
        yield each


def test_curl_gets_a_picture(server: ServerProcess, tmp_path: Path) -> None:
    (command,) = commands(README, "curl")
    run(server, tmp_path, ["bash", "-ec"], patient(command))
    with Image.open(tmp_path / "sneaker.png") as picture:
        assert picture.size == (224, 224)


def test_the_strip_is_made(server: ServerProcess, tmp_path: Path) -> None:
    (command,) = commands(README, ".venv/bin/anytime generate")
    command = command.replace(".venv/bin/anytime", f"{sys.executable} -m anytime") + f" --url {server.url}"
    table = run(server, tmp_path, ["bash", "-ec"], patient(command))
    assert table.count("/16") == 5
    with Image.open(tmp_path / "strip.png") as picture:
        assert picture.width > 5 * 224


def test_a_program_watches_an_answer_sharpen(server: ServerProcess, tmp_path: Path) -> None:
    """As whoever has cloned the project into `anytime` runs it, from the folder around that."""
    (program,) = programs(README)
    (tmp_path / "anytime").mkdir()
    printed = run(server, tmp_path, [sys.executable, "-c"], patient(program))
    assert re.search(r"^done: \d+ codes, (complete|deadline)$", printed, re.MULTILINE)
    with Image.open(tmp_path / "bag.png") as picture:
        assert picture.size == (224, 224)
    finer = read_sample(tmp_path / "finer.png")
    assert len(finer.codes) == finer.codes_total


@pytest.mark.parametrize("program", programs((ROOT / "docs/client.md").read_text(encoding="utf-8")))
def test_what_the_page_on_the_client_shows(server: ServerProcess, tmp_path: Path, program: str) -> None:
    assert run(server, tmp_path, [sys.executable, "-c"], patient(program))


def test_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which does not exist"
