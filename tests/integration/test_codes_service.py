"""A real server with a model of every kind: what it encodes and decodes is what the evaluation rebuilds."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import torch
from coding import CPU, MANIFESTS, SAMPLES, random_split, write_coding_bundle
from PIL import Image
from server_process import ROOT, ServerProcess, running_server

from models.build import Autoencoder
from models.bundle.networks import load_networks
from models.config import Media
from models.native import library
from service.encode import MEDIA_TYPES, encode
from training.data.dataset import FULL_SCALE, Split
from training.data.idx import read_idx
from training.evaluation.reconstruction import errors_by_length, reconstruct

FASHION_MNIST = ROOT / "models" / "pretrained" / "fashion-mnist"
PATIENT = {"deadline_ms": 60_000}
FULL_PRECISION = 2e-5  # between the decoders of PyTorch and C++, in a sample's own unit
EIGHT_BITS, EIGHT_BITS_RMS = 0.1, 0.01  # what rounding may cost a number of the shipped model, and all of them


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Full precision; one small model of every kind, and the shipped one."""
    folder = tmp_path_factory.mktemp("codes")
    for kind in MANIFESTS:
        write_coding_bundle(folder / "bundles", kind)
    (folder / "bundles" / "fashion-mnist").symlink_to(FASHION_MNIST)
    executor = "native" if library.kernels() else "reference"
    with running_server(folder / "bundles", folder, "--executor", executor, "--slots", "16") as each:
        yield each


@pytest.fixture
def client(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=120) as each:
        yield each


@pytest.fixture(scope="module")
def clothes(fashion_mnist: Path) -> Split:
    """The first test images of Fashion-MNIST."""
    images = read_idx(fashion_mnist / "t10k-images-idx3-ubyte.gz", 3)[:SAMPLES, None]
    return Split(images, torch.zeros(SAMPLES, dtype=torch.int64))


def bundles_of(server: ServerProcess) -> Path:
    return server.log_file.parent / "bundles"


def file_of(sample: torch.Tensor, media: Media) -> tuple[str, bytes]:
    """A stored sample as a file that keeps every number, and its media type."""
    numbers = (sample.double() / FULL_SCALE[sample.dtype]).numpy()
    if media.type == "image":
        return MEDIA_TYPES["png"], encode(media, numbers, "png")
    file = io.BytesIO()
    np.save(file, sample.numpy())
    return MEDIA_TYPES["npy"], file.getvalue()


def send(client: httpx.Client, model: str, media_type: str, data: bytes, **options: Any) -> httpx.Response:
    query = {"model": model, **PATIENT, **options}
    return client.post("/v1/encode", params=query, content=data, headers={"content-type": media_type})


def encoded(client: httpx.Client, model: str, sample: torch.Tensor, media: Media, **options: Any) -> dict[str, Any]:
    response = send(client, model, *file_of(sample, media), **options)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def decoded(client: httpx.Client, model: str, **body: Any) -> list[np.ndarray]:
    """What the server makes of codes: the decoder's own numbers."""
    response = client.post("/v1/decode", json={"model": model, "format": "npy", **PATIENT, **body})
    assert response.status_code == 200, response.text
    return [np.load(io.BytesIO(base64.b64decode(output["b64"]))) for output in response.json()["outputs"]]


def rebuilt(autoencoder: Autoencoder, split: Split, length: int) -> np.ndarray:
    """As `reconstruct` of the evaluation does, before it is rounded to what is stored."""
    codes = autoencoder.encode_codes(split.batch(slice(None), CPU))
    samples: np.ndarray = autoencoder.decode_codes(codes, torch.full((len(codes),), length)).numpy()
    return samples


@pytest.mark.parametrize("model", ["fashion-mnist", *MANIFESTS])
def test_encode_then_decode_is_the_evaluations_reconstruction(
    client: httpx.Client, server: ServerProcess, clothes: Split, model: str
) -> None:
    """At every number of codes: the codes are equal, the pixels within rounding, and so are the errors."""
    networks = load_networks(bundles_of(server) / model)
    autoencoder, media, total = networks.autoencoder, networks.manifest.media, networks.manifest.codes
    split = clothes if model == "fashion-mnist" else random_split(networks.manifest)
    codes = autoencoder.encode_codes(split.batch(slice(None), CPU)).tolist()
    errors = errors_by_length(autoencoder, split, torch.zeros(media.shape, dtype=torch.float64), CPU)
    answers = [encoded(client, model, sample, media, curve="true") for sample in split.images]
    assert [answer["codes"] for answer in answers] == codes
    for row, answer in enumerate(answers):
        curve = [point["squared_error"] for point in answer["curve"]]
        assert curve == pytest.approx(errors[row, 1:].tolist(), rel=1e-4, abs=2e-6)
        assert answer["squared_error"] == curve[-1]
    lengths = list(range(1, total + 1))
    every = [decoded(client, model, packed=answer["packed"], lengths=lengths) for answer in answers]
    for length in lengths:
        made = np.stack([row[length - 1] for row in every])
        expected = rebuilt(autoencoder, split, length)
        assert np.abs(made - expected).max() < FULL_PRECISION
        if media.type == "image":
            stored = reconstruct(autoencoder, split, length, CPU).numpy()
            assert np.abs(np.rint(made * 255) - stored).max() <= 1


def test_eight_bits_decode_the_same_codes_nearly_alike(clothes: Split, tmp_path: Path) -> None:
    """The executor of eight bits has a share in decoding only: codes are those of full precision."""
    networks = load_networks(FASHION_MNIST)
    codes = networks.autoencoder.encode_codes(clothes.batch(slice(None), CPU)).tolist()
    with (
        running_server(FASHION_MNIST, tmp_path, "--executor", "native-int8") as server,
        httpx.Client(base_url=server.url, timeout=120) as client,
    ):
        media = networks.manifest.media
        assert [encoded(client, "fashion-mnist", image, media)["codes"] for image in clothes.images] == codes
        for length in (1, 4, 16):
            made = np.stack(decoded(client, "fashion-mnist", codes=codes, lengths=[length]))
            off = made - rebuilt(networks.autoencoder, clothes, length)
            assert np.abs(off).max() < EIGHT_BITS
            assert np.sqrt(np.square(off).mean()) < EIGHT_BITS_RMS


def test_a_budget_of_bytes(client: httpx.Client, clothes: Split) -> None:
    media = Media(type="image", shape=(1, 28, 28))
    lengths = set()
    for budget in range(5, 20):
        answer = encoded(client, "fashion-mnist", clothes.images[0], media, bytes=budget)
        packed = base64.b64decode(answer["packed"])
        assert len(packed) == answer["bytes"] <= budget
        lengths.add(len(answer["codes"]))
        (whole,) = decoded(client, "fashion-mnist", packed=answer["packed"])
        (same,) = decoded(client, "fashion-mnist", codes=answer["codes"])
        assert (whole == same).all()
    assert lengths == {1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 16}


def test_photographs_are_cut_as_for_training_and_sound_is_resampled(client: httpx.Client) -> None:
    wide = Image.new("RGB", (64, 16), "white")
    wide.paste((0, 0, 0), (24, 0, 40, 16))
    file = io.BytesIO()
    wide.save(file, "WEBP", lossless=True)
    black = encode(Media(type="image", shape=(1, 8, 8)), np.zeros((1, 8, 8), np.float32), "png")
    cut = send(client, "channels", "image/webp", file.getvalue()).json()["codes"]
    assert cut == send(client, "channels", "image/png", black).json()["codes"]
    assert cut != send(client, "channels", "image/webp", file.getvalue(), fit="pad").json()["codes"]
    assert send(client, "channels", "image/webp", file.getvalue(), fit="exact").status_code == 422
    fast = Media(type="audio", shape=(2, 4000), sample_rate=16000)
    tone = np.sin(np.arange(4000) / 20).astype(np.float32)
    for name in ("wav", "flac", "ogg"):
        response = send(client, "clips", MEDIA_TYPES[name], encode(fast, np.stack([tone, tone]), name))
        assert response.status_code == 200, response.text


@pytest.mark.parametrize("name", ["png", "webp", "jpeg", "wav", "flac", "ogg", "npy"])
def test_damaged_files_are_refused_with_what_is_wrong(client: httpx.Client, name: str) -> None:
    model = "clips" if name in ("wav", "flac", "ogg") else "channels"
    media = MANIFESTS[model].media
    whole = encode(media, np.zeros(media.shape, np.float32), name)
    for part in (whole[:12], whole[: len(whole) // 3], whole[:8] + bytes(200)):
        response = send(client, model, MEDIA_TYPES[name], part)
        assert response.status_code == 422, response.text
        assert response.json()["type"] == "urn:anytime:problem:unusable-media"
        assert response.json()["detail"].startswith("The file ")


def test_files_that_hold_too_much_are_a_413(client: httpx.Client) -> None:
    file = io.BytesIO()
    Image.new("1", (30_000, 1_000)).save(file, "PNG")
    assert len(file.getvalue()) < 50_000
    response = send(client, "channels", "image/png", file.getvalue())
    assert (response.status_code, "30000 x 1000 pixels" in response.json()["detail"]) == (413, True)
    huge = client.post("/v1/encode", content=bytes(9 << 20), headers={"content-type": "image/png"})
    assert huge.status_code == 413


def test_the_next_request_is_served_when_the_encoder_was_killed(client: httpx.Client, server: ServerProcess) -> None:
    sample, media = random_split(MANIFESTS["channels"]).images[0], MANIFESTS["channels"].media
    before = encoded(client, "channels", sample, media)
    children = psutil.Process(server.process.pid).children()
    (encoder,) = (child for child in children if "service.encoder" in child.cmdline())
    assert encoder.nice() == min(psutil.Process(server.process.pid).nice() + 10, 19)
    workers = {child.pid for child in children} - {encoder.pid}
    os.kill(encoder.pid, signal.SIGKILL)
    after = encoded(client, "channels", sample, media)
    assert after["codes"] == before["codes"]
    remaining = {child.pid for child in psutil.Process(server.process.pid).children()}
    assert workers < remaining
    assert encoder.pid not in remaining


def test_the_lines_and_the_log(client: httpx.Client, server: ServerProcess) -> None:
    """Runs last: every request was counted once, and nothing failed but what was killed."""
    text = client.get("/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("anytime_encode_requests_total")]
    counted = sum(float(line.split()[-1]) for line in lines)
    assert server.terminate() == 0  # lines are written some at a time, the last of them at the end
    logged = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    assert counted == sum(line.get("path") == "/v1/encode" for line in logged) > 100
    assert not any('outcome="failed"' in line and not line.endswith(" 0.0") for line in lines)
    assert "Traceback" not in server.log
