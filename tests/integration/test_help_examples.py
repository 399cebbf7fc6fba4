"""`anytime --help` and the help of every command have examples, and what they say to type works as written."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import chdir
from pathlib import Path

import pytest
import torch
import typer
from help_examples import (
    Example,
    commands,
    every_example,
    examples_of,
    make_world,
    train_what_is_finished,
    write_program,
    write_sound_bundle,
)
from server_process import ROOT, ServerProcess, running_server
from typer.testing import CliRunner

import anytime
from service.client.metadata import read_samples
from service.commands.generate import Wish, generate

WIDEST = 78  # columns that a terminal of 80 leaves to a help's text
EXAMPLES = every_example()
# What is not run but read by the real parser, down to the command's own arguments.
PARSED = {
    "anytime bench engine --bundle models/pretrained/fashion-mnist \\\n": "measures for a minute",
    "anytime evaluate runs/mine/bundle --data ~/data/mnist \\\n    --report report --inc": "needs 91 MB of weights",
    "anytime bench deadline --json deadline.json": "measures for more than a minute",
    "anytime bench api --json api.json": "measures for half a minute",
    "accelerate launch --multi_gpu -m anytime train": "needs several GPUs",
}


def too_much(example: Example) -> str | None:
    """Why an example is only parsed."""
    return next((why for start, why in PARSED.items() if example.text.startswith(start)), None)


RUN = [each for each in {each.text: each for each in EXAMPLES}.values() if too_much(each) is None]
SERVING = [each for each in RUN if re.match(r"(\w+=\S+ )?anytime serve", each.text) and "--print" not in each.text]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that examples name, in `work` and `home`; to be copied, so that none finds what another one left."""
    folder = tmp_path_factory.mktemp("world")
    before = torch.get_deterministic_debug_mode()
    work = make_world(folder)
    with chdir(work):
        train_what_is_finished(work, folder / "home")
    torch.set_deterministic_debug_mode(before)
    write_program(folder / "bin")
    return folder


@pytest.fixture(scope="module")
def pictures(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(ROOT / "models" / "pretrained", tmp_path_factory.mktemp("pictures")) as each:
        generate(Wish(label="sneaker", seed=7), [20_000.0], world / "work" / "x.png", url=each.url)
        yield each


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("clips")
    with running_server(write_sound_bundle(folder), folder) as each:
        yield each


@pytest.fixture
def here(world: Path, tmp_path: Path) -> Path:
    """A copy of the world."""
    shutil.copytree(world / "work", tmp_path / "work", symlinks=True)
    shutil.copytree(world / "home", tmp_path / "home", symlinks=True)
    return tmp_path / "work"


def variables(here: Path, world: Path, url: str) -> Mapping[str, str]:
    """Where examples are typed: at home, with the program on the path, and a server where one is spoken of."""
    return {
        **os.environ,
        "HOME": str(here.parent / "home"),
        "PATH": f"{world / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "ANYTIME_URL": url,
        "ANYTIME_PORT": "0",
        "ANYTIME_DEVICE": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }


def test_every_help_has_examples_that_a_terminal_does_not_break() -> None:
    for name, command in commands():
        examples = examples_of(name, command)
        assert examples, f"the help of {name} has no example"
        assert any(name in each.text for each in examples), f"no example of {name} is one of it"
        for line in (command.help or "").partition("Example")[2].splitlines():
            assert len(line) <= WIDEST, f"{name}: {line!r} is broken by a terminal of 80 columns"


def test_what_is_not_run_is_there() -> None:
    assert sorted(filter(None, map(too_much, EXAMPLES))) == sorted(PARSED.values())


@pytest.mark.parametrize(
    "example", [each for each in EXAMPLES if "--help" not in each.text], ids=lambda each: each.text
)
def test_it_is_understood(example: Example) -> None:
    """By the parser itself, so that not even an example that is not run can ask for what there is not."""
    words = shlex.split(example.text.replace("\\\n", " "))
    words = words[words.index("anytime") + 1 :]
    words = words[: words.index(">")] if ">" in words else words
    command = typer.main.get_command(anytime.app)
    context = command.make_context("anytime", list(words))
    while hasattr(command, "resolve_command"):
        name, command, words = command.resolve_command(context, words)
        context = command.make_context(name, list(words), parent=context)
    assert example.command.split()[-1] in (command.name, "anytime", "bundle", "bench", "hierarchy", "keys")


@pytest.mark.parametrize("example", [each for each in RUN if each not in SERVING], ids=lambda each: each.text)
def test_it_works(example: Example, here: Path, world: Path, pictures: ServerProcess, clips: ServerProcess) -> None:
    if not (here / "x.png").exists():
        shutil.copy(world / "work" / "x.png", here)
    if example.command in ("anytime train", "anytime baseline") and "--resume" not in example.text:
        (out,) = re.findall(r"--out (\S+)", example.text)
        shutil.rmtree(here / out, ignore_errors=True)  # of those that others report on
    url = clips.url if "spoken-digits" in example.text else pictures.url
    result = subprocess.run(
        ["bash", "-ec", example.text],
        cwd=here,
        env=variables(here, world, url),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    for option in re.findall(r"--(?:out|json|report|plot|trace|profile) (\S+)|> (\S+)", example.text):
        made = here / next(filter(None, option))
        if not (example.text.startswith("anytime study") and "--plan" in example.text):
            assert made.exists(), f"{made} was not made"
    if example.text.startswith("anytime generate") and "--out" in example.text:
        (out,) = re.findall(r"--out (\S+)", example.text)
        assert read_samples(here / out)


@pytest.mark.parametrize("example", SERVING, ids=lambda each: each.text)
def test_it_serves(example: Example, here: Path, world: Path) -> None:
    """Until somebody stops it."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {example.text}"],
        cwd=here,
        env=variables(here, world, ""),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("ready on http://")
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=60)
        assert process.returncode == 0, log
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["genrate"], "Did you mean 'generate'"),
        (["bench", "dedline"], "Did you mean 'deadline'"),
        (["generate", "--lable", "bag"], "--label"),
        (["serve", "--worker", "2"], "--workers"),
        (["train", "smok", "--data", "x", "--out", "y"], "smok: no such recipe file (did you mean 'smoke'?), nor"),
        (["study", "odering", "--data", "x", "--out", "y"], "(did you mean 'ordering'?), nor"),
        (["baseline", "cifar10-va", "--data", "x", "--out", "y"], "(did you mean 'cifar10-vae'?), nor"),
        (["simulate", "--policy", "our"], "there is no policy 'our' (did you mean 'ours'?)"),
    ],
)
def test_what_is_nearly_right_is_suggested(typed: list[str], says: str) -> None:
    result = CliRunner().invoke(anytime.app, typed)
    assert result.exit_code != 0
    assert says in result.output + str(result.exception)
