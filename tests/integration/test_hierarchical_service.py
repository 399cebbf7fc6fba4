"""A real server with hierarchical and refined models: pictures at every deadline and in every dialect, as of others."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from refined import write_refined
from server_process import ServerProcess, running_server
from socket_client import event, open_socket, send
from toy_hierarchy import toy_values

from models.bundle.reader import read_any_manifest
from models.runtime import load_model
from models.runtime.protocol import SampleRequest
from training.hierarchical.recipe import HierarchicalRecipe
from training.random_bundle import write_random_bundle

PATIENT_MS = 60_000
NET = {"layers": 4, "hidden": 96, "bottleneck": 48}
# Of 32 x 32 pixels, which take a fifth of a second to draw, so that deadlines differ in what they allow.
SLOW = {
    "name": "slow",
    "media": {"type": "image", "shape": [1, 32, 32]},
    "levels": [
        {
            "reduction": 4,
            "codes": {"bits": 5, "dim": 8},
            "encoder": NET,
            "auxiliary": {"kind": "feed-forward", "network": NET},
            "modulator": NET,
            "local": {"layers": 12, "hidden": 128},
        }
    ],
    "stages": {"levels": [toy_values()["stages"]["levels"][1]], "prior": toy_values()["stages"]["prior"]},
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`toy-hierarchy` of three levels and `refined`, which are drawn in no time, and `slow`."""
    folder = tmp_path_factory.mktemp("bundles")
    for values in (toy_values(), toy_values() | SLOW):
        recipe = HierarchicalRecipe.model_validate(values)
        write_random_bundle(folder / recipe.name, recipe, 0)
    write_refined(folder)
    return folder


@pytest.fixture(scope="module")
def server(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(bundles, tmp_path_factory.mktemp("server"), "--slots", "4") as each:
        yield each


@pytest.fixture
def client(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=120) as each:
        yield each


def generate(client: httpx.Client, model: str, **body: Any) -> dict[str, Any]:
    response = client.post("/v1/generate", json={"model": model, "deadline_ms": PATIENT_MS, "seed": 7, **body})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def numbers(output: dict[str, Any]) -> np.ndarray:
    found: np.ndarray = np.load(io.BytesIO(base64.b64decode(output["b64"])))
    return found


def feasible_ms(client: httpx.Client) -> float:
    """A short deadline that is taken now, however busy the machine: far too short to draw every pixel."""
    deadline_ms: float = 3 * client.get("/v1/models/slow").json()["minimum_deadline_ms"]
    while client.post("/v1/generate", json={"model": "slow", "deadline_ms": deadline_ms, "seed": 1}).status_code == 504:
        deadline_ms *= 2
    return deadline_ms


@pytest.mark.parametrize(
    ("model", "kind", "codes"), [("toy-hierarchy", "hierarchical", 4 + 16 + 64), ("refined", "refined", 6 + 64)]
)
def test_it_is_listed_as_any_other_model(
    client: httpx.Client, bundles: Path, model: str, kind: str, codes: int
) -> None:
    found = client.get(f"/v1/models/{model}").json()
    assert (found["kind"], found["codes"]) == (kind, codes)
    assert found["quality_curve"] == list(read_any_manifest(bundles / model).quality_curve)
    assert found["minimum_deadline_ms"] > 0


@pytest.mark.parametrize(
    ("name", "codes"),
    [*(("toy-hierarchy", codes) for codes in (1, 3, 4, 11, 20, 57, 84)), *(("refined", n) for n in (1, 6, 7, 40, 70))],
)
def test_after_any_number_of_codes_there_is_the_models_own_picture(
    client: httpx.Client, bundles: Path, name: str, codes: int
) -> None:
    """In the topmost grid, between grids and among the pixels; two samples, one answer."""
    _, model = load_model(bundles / name, "cpu", slots=2)
    for slot in (0, 1):
        model.begin(slot, SampleRequest(7, slot, label=2, temperature=1.0))
        model.step([slot], codes)
    expected = model.decode([0, 1])
    answer = generate(client, name, n=2, label=2, max_codes=codes, format="npy")
    for output, media, drawn in zip(answer["outputs"], expected.media, expected.codes, strict=True):
        assert output["codes"] == drawn
        assert output["stop_reason"] == "complete"
        assert numbers(output) == pytest.approx(media, abs=1e-6)


def test_more_time_goes_on_with_the_same_codes(client: httpx.Client) -> None:
    """Only the deadline changes: whole pictures, of more codes and more quality, each a prefix of the next."""
    before: list[int] = []
    quality, lengths = 0.0, []
    soon_ms = feasible_ms(client)
    for deadline_ms in (soon_ms, 4 * soon_ms, PATIENT_MS):
        (output,) = generate(client, "slow", deadline_ms=deadline_ms, label=1, scale=2)["outputs"]
        with Image.open(io.BytesIO(base64.b64decode(output["b64"]))) as picture:
            assert picture.size == (64, 64)
        assert output["codes"][: len(before)] == before
        assert output["expected_quality"] >= quality
        assert output["stop_reason"] == ("complete" if len(output["codes"]) == output["codes_total"] else "deadline")
        before, quality = output["codes"], output["expected_quality"]
        lengths.append(len(before))
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1] == 64 + 1024


def test_an_answer_is_gone_on_from_and_decoded_again(client: httpx.Client) -> None:
    """From the middle of every grid; and codes that could not have been drawn are refused by place."""
    (whole,) = generate(client, "toy-hierarchy", label=0, format="npy")["outputs"]
    for given in (2, 9, 40):
        (again,) = generate(client, "toy-hierarchy", label=0, codes=whole["codes"][:given], format="npy")["outputs"]
        assert again["codes"] == whole["codes"]
        assert numbers(again) == pytest.approx(numbers(whole), abs=1e-6)
        (part,) = generate(client, "toy-hierarchy", label=0, max_codes=given, format="npy")["outputs"]
        decoded = client.post(
            "/v1/decode",
            json={"model": "toy-hierarchy", "codes": part["codes"], "format": "npy", "deadline_ms": PATIENT_MS},
        ).json()["outputs"][0]
        if given > 4:  # what is missing of the topmost codes is filled in for a label, which decoding knows nothing of
            assert numbers(decoded) == pytest.approx(numbers(part), abs=1e-6)
    # Topmost codes have 3 bits, the next twice 3, and pixels 3 again.
    refused = client.post("/v1/generate", json={"model": "toy-hierarchy", "codes": [7] * 4 + [63] * 16 + [8]})
    assert refused.status_code == 422
    assert "from 0 to 7 at place 20" in refused.text


def test_a_refined_answer_is_gone_on_from_and_decoded_again(client: httpx.Client) -> None:
    """From among its codes, from their end and from among its pixels."""
    (whole,) = generate(client, "refined", label=0, format="npy")["outputs"]
    assert whole["codes_total"] == len(whole["codes"]) == 6 + 64
    for given in (2, 6, 40):
        (again,) = generate(client, "refined", label=0, codes=whole["codes"][:given], format="npy")["outputs"]
        assert again["codes"] == whole["codes"]
        assert numbers(again) == pytest.approx(numbers(whole), abs=1e-6)
        (part,) = generate(client, "refined", label=0, max_codes=given, format="npy")["outputs"]
        body = {"model": "refined", "codes": part["codes"], "format": "npy", "deadline_ms": PATIENT_MS}
        (decoded,) = client.post("/v1/decode", json=body).json()["outputs"]
        assert numbers(decoded) == pytest.approx(numbers(part), abs=1e-6)
    refused = client.post("/v1/generate", json={"model": "refined", "codes": [7] * 6 + [8]})
    assert refused.status_code == 422
    assert "from 0 to 7" in refused.text


@pytest.mark.parametrize("model", ["toy-hierarchy", "refined"])
def test_it_does_not_encode_and_says_so(client: httpx.Client, model: str) -> None:
    picture = io.BytesIO()
    Image.new("L", (8, 8)).save(picture, "png")
    response = client.post(
        f"/v1/encode?model={model}", content=picture.getvalue(), headers={"content-type": "image/png"}
    )
    assert response.status_code == 422
    assert "only draws and decodes" in response.json()["detail"]


def test_previews_grow_into_the_answer(server: ServerProcess) -> None:
    async def watch() -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = []
        async with open_socket(server.url.removeprefix("http://")) as ws:
            await send(
                ws, type="generate", id="a", model="slow", label=1, seed=7, deadline_ms=PATIENT_MS, preview_ms=50
            )
            while not seen or seen[-1]["type"] not in {"completed", "error"}:
                seen.append(await event(ws))
        return seen

    first, *previews, last = asyncio.run(watch())
    assert (first["type"], last["type"]) == ("accepted", "completed")
    codes = last["outputs"][0]["codes"]
    lengths = [len(each["output"]["codes"]) for each in previews]
    assert lengths == sorted(set(lengths))
    assert lengths[0] < 64 < lengths[-1]  # while topmost codes are drawn, and while pixels are
    for each in previews:
        assert each["output"]["codes"] == codes[: len(each["output"]["codes"])]
        with Image.open(io.BytesIO(base64.b64decode(each["output"]["b64"]))) as picture:
            assert picture.size == (32, 32)


def test_other_dialects(client: httpx.Client) -> None:
    """OpenAI's and the Open Inference Protocol's."""
    (own,) = generate(client, "toy-hierarchy", label="top")["outputs"]
    images = client.post(
        "/v1/images/generations",
        json={"model": "toy-hierarchy", "prompt": "top", "seed": 7, "deadline_ms": PATIENT_MS, "size": "16x16"},
    ).json()
    with Image.open(io.BytesIO(base64.b64decode(images["data"][0]["b64_json"]))) as picture:
        assert picture.size == (16, 16)
    assert images["data"][0]["anytime"]["codes"] == own["codes"]
    label = {"name": "label", "shape": [1], "datatype": "BYTES", "data": ["top"]}
    seed = {"name": "seed", "shape": [1], "datatype": "INT64", "data": [7]}
    inferred = client.post(
        "/v2/models/toy-hierarchy/infer", json={"inputs": [label, seed], "parameters": {"deadline_ms": PATIENT_MS}}
    ).json()
    outputs = {each["name"]: each for each in inferred["outputs"]}
    assert outputs["codes"]["data"] == own["codes"]
    assert outputs["codes"]["shape"] == [1, 84]
