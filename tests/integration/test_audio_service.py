"""A real server with a model of clips beside one of pictures: every format, previews, and what each model refuses."""

from __future__ import annotations

import base64
import io
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from factories import tiny_audio_manifest, tiny_networks, write_tiny_bundle
from server_process import COMMAND, ROOT, ServerProcess, running_server
from socket_client import event, open_socket, send

from models.bundle.writer import write_bundle

CODES = 3000
SAMPLES, RATE = 1600, 8000
PATIENT_MS = 30_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """With the native executor where it was built, as by default."""
    folder = tmp_path_factory.mktemp("audio")
    networks = tiny_networks(tiny_audio_manifest("clips", codes=CODES))
    write_bundle(folder / "bundles" / "clips", networks.manifest, networks.autoencoder, networks.prior)
    write_tiny_bundle(folder / "bundles", "pictures")
    with running_server(folder / "bundles", folder, "--slots", "4") as each:
        yield each


def ask(server: ServerProcess, accept: str, **body: object) -> httpx.Response:
    """Asks again while it is refused: a machine that was just taken away refuses what it grants at other times."""
    for _ in range(50):
        body = {"model": "clips", **body}
        response = httpx.post(f"{server.url}/v1/generate", json=body, headers={"accept": accept}, timeout=60)
        if response.status_code != 504:
            break
    return response


def numbers(data: bytes, file_format: str = "WAV") -> np.ndarray:
    """The 16-bit numbers of a whole clip in this format."""
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        assert (file.format, file.samplerate, file.channels, file.frames) == (file_format, RATE, 1, SAMPLES)
        read: np.ndarray = file.read(dtype="int16")
    return read


def test_the_model_is_described(server: ServerProcess) -> None:
    media = httpx.get(f"{server.url}/v1/models/clips").json()["media"]
    assert (media["type"], media["sample_rate"], media["duration_seconds"]) == ("audio", RATE, 0.2)
    assert media["formats"] == ["wav", "flac", "ogg", "npy"]


def test_a_wav_comes_by_its_deadline_and_more_time_is_more_of_the_same(server: ServerProcess) -> None:
    codes = []
    for deadline_ms in (50, 500, PATIENT_MS):
        response = ask(server, "audio/wav", seed=5, deadline_ms=deadline_ms)
        assert (response.status_code, response.headers["content-type"]) == (200, "audio/wav")
        assert numbers(response.content).any()
        assert response.headers["x-anytime-stop-reason"] in ("deadline", "complete")
        codes.append(int(response.headers["x-anytime-codes"]))
    assert 1 <= codes[0] <= codes[1] <= codes[2] == CODES


def test_all_formats_hold_the_same_clip(server: ServerProcess) -> None:
    asked = {"seed": 3, "max_codes": 50, "deadline_ms": PATIENT_MS}
    npy, wav, flac, ogg = (
        ask(server, accept, **asked).content
        for accept in ("application/x-npy", "audio/x-wav", "audio/flac", "audio/ogg")
    )
    sample = np.load(io.BytesIO(npy))
    assert (sample.shape, sample.dtype) == ((1, SAMPLES), np.float32)
    exact = np.rint(sample[0] * 32_767)
    np.testing.assert_array_equal(numbers(wav), exact)
    np.testing.assert_array_equal(numbers(flac, "FLAC"), exact)
    assert numbers(ogg, "OGG").any()


def test_json_holds_clips_in_the_format_of_the_body(server: ServerProcess) -> None:
    answer = ask(server, "*/*", n=3, seed=1, format="flac", max_codes=20, deadline_ms=PATIENT_MS).json()
    clips = [numbers(base64.b64decode(output["b64"]), "FLAC") for output in answer["outputs"]]
    assert len({clip.tobytes() for clip in clips}) == 3
    assert {output["media_type"] for output in answer["outputs"]} == {"audio/flac"}
    assert ask(server, "*/*", max_codes=1).json()["outputs"][0]["media_type"] == "audio/wav"


@pytest.mark.parametrize("binary", [False, True])
async def test_every_preview_is_the_whole_clip_of_its_codes(server: ServerProcess, binary: bool) -> None:
    async with open_socket(server.url.removeprefix("http://")) as ws:
        asked = {"model": "clips", "seed": 3, "deadline_ms": PATIENT_MS, "preview_ms": 10, "binary": binary}
        await send(ws, type="generate", id="a", **asked)
        assert (await event(ws))["type"] == "accepted"
        previews: list[tuple[list[int], bytes]] = []
        said: dict[str, Any] = {"type": "preview"}
        while said["type"] == "preview":
            said = await event(ws)
            output = said["output"] if said["type"] == "preview" else said["outputs"][0]
            data = await ws.recv() if binary else base64.b64decode(output["b64"])
            assert isinstance(data, bytes)
            previews.append((output["codes"], data))
    assert said["type"] == "completed"
    (whole, _) = previews[-1]
    assert len(previews) >= 2
    assert len(whole) == CODES
    for codes, data in (previews[0], previews[-2], previews[-1]):
        assert codes == whole[: len(codes)]
        given = {"seed": 3, "codes": codes, "max_codes": len(codes), "deadline_ms": PATIENT_MS}
        assert numbers(data).tobytes() == numbers(ask(server, "audio/wav", **given).content).tobytes()


def test_each_model_has_the_formats_of_its_media(server: ServerProcess) -> None:
    for model, wrong, own in (("clips", "image/png", "audio/ogg"), ("pictures", "audio/wav", "image/webp")):
        refused = ask(server, wrong, model=model)
        assert refused.status_code == 406
        assert own in refused.json()["detail"]
        refused = ask(server, "*/*", model=model, format=wrong.partition("/")[2])
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "format")
    assert ask(server, "*/*", scale=4).json()["errors"][0]["field"] == "scale"
    assert ask(server, "image/png", model="pictures", scale=4).status_code == 200


def test_generate_command_writes_what_the_suffix_says(server: ServerProcess, tmp_path: Path) -> None:
    out = tmp_path / "x.flac"
    options = ["--url", server.url, "--model", "clips", "--seed", "7", "--deadline-ms", str(PATIENT_MS)]
    command = [*COMMAND, "generate", *options, "--out", str(out)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert numbers(out.read_bytes(), "FLAC").any()


def test_nothing_was_unforeseen(server: ServerProcess) -> None:
    """Runs last."""
    assert '"level":"error"' not in server.log
    assert " ERROR " not in server.log, "of a worker"
    assert "Traceback" not in server.log
