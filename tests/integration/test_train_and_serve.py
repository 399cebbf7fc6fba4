"""One command trains each kind of data source, another serves what came of it; the tutorial's commands as written."""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
import soundfile
from datasets import ClassLabel, Dataset, Features
from datasets import Image as ImageColumn
from numpy.typing import NDArray
from PIL import Image
from server_process import COMMAND, ROOT, ServerProcess, running_server
from toy_data import toy_split, write_idx_folder
from toy_sound import VOICES, write_voices

PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
COLOURS = {"blue": (30, 60, 220), "green": (20, 190, 60), "red": (230, 40, 30)}
SECONDS = 300

RECIPE = """\
name = "{name}"
seed = 3

[media]
{media}

[autoencoder]
codes = 4
codebook = 8
filters = {filters}
strides = {strides}
widths = {widths}

[prior]
layers = 1
width = 16
feed_forward = 32
heads = 2

[data]
validation = 0.2

[stages]
autoencoder = {{ epochs = 4, batch = 16, learning_rate = 1e-2 }}
ordered = {{ epochs = 4, batch = 16, learning_rate = 1e-2 }}
prior = {{ epochs = 2, batch = 16, learning_rate = 1e-2 }}

[evaluate]
samples_per_class = 10
classifier_epochs = 1
"""


def coloured(label: int, seed: int, side: int) -> NDArray[np.uint8]:
    """A picture (side, side, 3) of its class's colour, brighter or darker, with some noise."""
    generator = np.random.default_rng([label, seed])
    colour = np.array(list(COLOURS.values())[label]) * generator.uniform(0.4, 1)
    return (colour + generator.integers(0, 20, (side, side, 3))).clip(0, 255).astype(np.uint8)


def write_pictures(folder: Path, each: int = 40, side: int = 40) -> Path:
    """One folder per colour."""
    for label, name in enumerate(COLOURS):
        (folder / name).mkdir(parents=True)
        for seed in range(each):
            Image.fromarray(coloured(label, seed, side)).save(folder / name / f"{seed}.png")
    return folder


def write_idx(folder: Path) -> str:
    return str(write_idx_folder(folder, toy_split(120), toy_split(30, seed=1)))


def write_cifar(folder: Path) -> str:
    """Files as CIFAR-10 has them: records of a label byte and 1024 bytes each of red, green and blue."""
    inside = folder / "cifar-10-batches-bin"
    inside.mkdir(parents=True)
    for batch, name in enumerate([*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]):
        records = [
            bytes([label]) + coloured(label, 100 * batch + seed, 32).transpose(2, 0, 1).tobytes()
            for seed in range(8)
            for label in range(len(COLOURS))
        ]
        (inside / name).write_bytes(b"".join(records))
    (inside / "batches.meta.txt").write_text("\n".join(COLOURS) + "\n\n")
    return str(folder)


def write_hugging_face(folder: Path) -> str:
    labels = [index % len(COLOURS) for index in range(120)]
    pictures = [Image.fromarray(coloured(label, seed, 8)) for seed, label in enumerate(labels)]
    features = Features({"image": ImageColumn(), "label": ClassLabel(names=list(COLOURS))})
    Dataset.from_dict({"image": pictures, "label": labels}, features).save_to_disk(str(folder))
    return f"hf:{folder}"


class Source(NamedTuple):
    """A kind of data: what writes a little of it and says its `--data`, its media, its network and its labels."""

    write: Callable[[Path], str]
    media: dict[str, Any]
    labels: tuple[str, ...]
    filters: tuple[int, ...] = (4, 3)
    strides: tuple[int, ...] = (2, 1)

    def recipe(self, name: str) -> str:
        media = "\n".join(f"{key} = {value!r}" for key, value in self.media.items())
        return RECIPE.format(
            name=name,
            media=media,
            widths=[8] * (len(self.filters) - 1),
            filters=[*self.filters],
            strides=[*self.strides],
        )


SOURCES = {
    "idx": Source(write_idx, {"type": "image", "shape": [1, 8, 8]}, ("0", "1", "2")),
    "cifar": Source(write_cifar, {"type": "image", "shape": [3, 32, 32]}, tuple(COLOURS), (4, 4, 3), (4, 2, 1)),
    "hugging-face": Source(write_hugging_face, {"type": "image", "shape": [3, 8, 8]}, tuple(COLOURS)),
    "wav": Source(
        lambda folder: str(write_voices(folder, 20)),
        {"type": "audio", "shape": [1, 400], "sample_rate": 8000},
        tuple(sorted(VOICES)),
        (9, 4),
        (5, 4),
    ),
}


def run(command: list[str], folder: Path) -> str:
    """Run a command with a home of its own; one thread, as other tests run beside it."""
    environment = {**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    environment.pop("XDG_CACHE_HOME", None)
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of four models, each trained by one command."""
    home = tmp_path_factory.mktemp("home")
    bundles = home / "bundles"
    bundles.mkdir()
    for name, source in SOURCES.items():
        (home / f"{name}.toml").write_text(source.recipe(name))
        data = source.write(home / "data" / name)
        run([*COMMAND, "train", f"{name}.toml", "--data", data, "--out", f"runs/{name}", "--threads", "1"], home)
        shutil.copytree(home / "runs" / name / "bundle", bundles / name)
    with running_server(bundles, home) as each:
        yield each


def generate(server: ServerProcess, **fields: Any) -> Any:
    answer = httpx.post(f"{server.url}/v1/generate", json={"deadline_ms": 20_000, "seed": 1, **fields}, timeout=30)
    assert answer.status_code == 200, answer.text
    (output,) = answer.json()["outputs"]
    return output


@pytest.mark.parametrize("name", SOURCES)
def test_what_one_command_trained_answers(server: ServerProcess, name: str) -> None:
    source = SOURCES[name]
    output = generate(server, model=name, label=source.labels[1])
    assert output["label"] == source.labels[1]
    assert output["stop_reason"] == "complete"
    assert len(output["codes"]) == output["codes_total"] == 4
    content = io.BytesIO(base64.b64decode(output["b64"]))
    channels, *extent = source.media["shape"]
    if source.media["type"] == "audio":
        samples, rate = soundfile.read(content)
        assert (samples.shape, rate) == ((400,), 8000)
        assert np.abs(samples).max() > 0
    else:
        with Image.open(content) as picture:
            assert picture.size == (extent[1], extent[0])
            assert len(picture.getbands()) == channels


def test_labels_are_those_of_the_data(server: ServerProcess) -> None:
    models = httpx.get(f"{server.url}/v1/models").json()
    found = {model["name"]: tuple(model["labels"]) for model in models["models"]}
    assert found == {name: source.labels for name, source in SOURCES.items()}


def test_the_five_commands_of_the_tutorial(tmp_path: Path) -> None:
    """As written, but for the installation, which the environment has, and for a schedule cut to seconds."""
    install, recipe, train, serve, ask = re.findall(r"^    (\S.*(?:\n     +.*)*)", PAGE, re.MULTILINE)[:5]
    assert install.startswith("pip install")
    write_pictures(tmp_path / "pictures")
    anytime = f"{sys.executable} -m anytime"
    run(["bash", "-ec", recipe.replace("anytime", anytime, 1)], tmp_path)
    text = (tmp_path / "mine.toml").read_text()
    for usual, quick in (
        (r"(?m)^epochs = \d+", "epochs = 6"),
        (r"batch = \d+", "batch = 8"),
        ("learning_rate = 1e-3", "learning_rate = 3e-3"),
        (r"samples_per_class = \d+", "samples_per_class = 10"),
        (r"classifier_epochs = \d+", "classifier_epochs = 1"),
    ):
        text, changed = re.subn(usual, quick, text)
        assert changed
    (tmp_path / "mine.toml").write_text(text)
    run(["bash", "-ec", train.replace("anytime", anytime, 1)], tmp_path)
    with running_server(tmp_path / serve.removeprefix("anytime serve --bundles "), tmp_path) as server:
        patient = re.sub(r"(deadline-ms )(\d+)", r"\g<1>\g<2>00", ask)
        command = f"{patient.replace('anytime', anytime, 1)} --url {server.url}"
        assert run(["bash", "-ec", command], tmp_path).count("/32") == patient.count("--deadline-ms")
        output = generate(server, label="green")
    assert output["label"] == "green"
    with Image.open(io.BytesIO(base64.b64decode(output["b64"]))) as picture:
        assert picture.size == (32, 32)
    assert (tmp_path / "mine.png").is_file()
