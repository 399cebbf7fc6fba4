"""The clients that people have already, against a server with workers: OpenAI's, Triton's and curl."""

from __future__ import annotations

import base64
import io
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise

import httpx
import numpy as np
import openai
import pytest
import tritonclient.http as triton
from event_stream import parse
from PIL import Image
from real_pool import write_bundles
from server_process import ServerProcess, running_server
from tritonclient.utils import InferenceServerException

LABELS = ["circle", "square", "star"]
PATIENT_MS = 20_000
ENDINGS = {"complete", "deadline"}  # as quick as this machine happens to be


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """With `tiny`, of 6 codes, and `long`, which takes a while."""
    bundles = write_bundles(tmp_path_factory.mktemp("bundles"))
    with running_server(bundles, tmp_path_factory.mktemp("server")) as each:
        yield each


@pytest.fixture(scope="module")
def images(server: ServerProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def inference(server: ServerProcess) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as client:
        yield client


def size_of(b64: str | None) -> tuple[int, int]:
    assert b64
    with Image.open(io.BytesIO(base64.b64decode(b64))) as picture:
        assert picture.format == "PNG"
        return picture.size


def test_openai_lists_models(images: openai.OpenAI) -> None:
    listed = list(images.models.list())
    assert sorted(model.id for model in listed) == ["long", "tiny"]
    assert images.models.retrieve("tiny").owned_by == "anytime"
    assert {model.object for model in listed} == {"model"}
    with pytest.raises(openai.NotFoundError):
        images.models.retrieve("none")


def test_openai_generates(images: openai.OpenAI) -> None:
    extra = {"deadline_ms": PATIENT_MS, "seed": 7}
    answer = images.images.generate(model="tiny", prompt="a red star", n=2, size="16x16", extra_body=extra)
    assert answer.data
    assert answer.usage
    assert [size_of(item.b64_json) for item in answer.data] == [(16, 16)] * 2
    facts = [(item.model_extra or {})["anytime"] for item in answer.data]
    assert [(each["label"], each["seed"], len(each["codes"]), each["stop_reason"]) for each in facts] == [
        ("star", 7, 6, "complete")
    ] * 2
    assert (answer.size, answer.usage.output_tokens) == ("16x16", 12)


def test_openai_streams_partial_images(images: openai.OpenAI) -> None:
    stream = images.images.generate(
        model="long", prompt="star", stream=True, partial_images=3, extra_body={"deadline_ms": 3000, "seed": 7}
    )
    events = list(stream)
    last = events.pop()
    assert last.type == "image_generation.completed"
    partial = [event for event in events if event.type == "image_generation.partial_image"]
    assert partial == events
    assert [event.partial_image_index for event in partial] == list(range(len(partial)))
    assert 1 <= len(partial) <= 3
    assert {size_of(last.b64_json), *(size_of(event.b64_json) for event in partial)} == {(8, 8)}
    counts = [len((event.model_extra or {})["anytime"]["codes"]) for event in (*partial, last)]
    assert counts == sorted(set(counts)), "every image has more codes than the one before"
    assert last.usage.output_tokens == counts[-1]
    assert (last.model_extra or {})["anytime"]["stop_reason"] in ENDINGS


def test_openai_raises_what_is_refused(images: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="circle, square, star") as refused:
        images.images.generate(model="tiny", prompt="a triangle")
    assert (refused.value.param, refused.value.code) == ("prompt", "invalid_field")
    with pytest.raises(openai.NotFoundError) as missing:
        images.images.generate(model="none", prompt="star")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.InternalServerError) as hurried:
        images.images.generate(model="tiny", prompt="star", extra_body={"deadline_ms": 0.01})
    assert hurried.value.status_code == 504
    assert isinstance(hurried.value.body, dict)
    assert hurried.value.body["minimum_deadline_ms"] > 0.01


def test_openai_does_not_try_again_what_no_second_try_can_help(server: ServerProcess) -> None:
    def refusals() -> int:
        lines = httpx.get(f"{server.url}/metrics").text.splitlines()
        found = [line.split()[1] for line in lines if line.startswith('anytime_rejections_total{reason="deadline-inf')]
        return int(float(found[0])) if found else 0

    before = refusals()
    with (
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="none") as client,
        pytest.raises(openai.InternalServerError),
    ):
        client.images.generate(model="tiny", prompt="star", extra_body={"deadline_ms": 0.01})
    assert refusals() == before + 1


def test_triton_asks_what_there_is(inference: triton.InferenceServerClient) -> None:
    assert inference.is_server_live()
    assert inference.is_server_ready()
    assert inference.is_model_ready("tiny")
    assert inference.is_model_ready("tiny", "1")
    assert not inference.is_model_ready("tiny", "2")
    assert not inference.is_model_ready("none")
    assert inference.get_server_metadata()["name"] == "anytime"
    metadata = inference.get_model_metadata("tiny")
    assert metadata["inputs"][0] == {"name": "label", "datatype": "BYTES", "shape": [-1]}
    assert metadata["outputs"][0] == {"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}
    config = inference.get_model_config("tiny", "1")
    assert [each["name"] for each in config["output"]] == [each["name"] for each in metadata["outputs"]]
    index = inference.get_model_repository_index()
    assert sorted((each["name"], each["state"]) for each in index) == [("long", "READY"), ("tiny", "READY")]


def inputs(binary: bool) -> list[triton.InferInput]:
    label = triton.InferInput("label", [3], "BYTES")
    label.set_data_from_numpy(np.array(LABELS, dtype=object), binary_data=binary)
    seed = triton.InferInput("seed", [1], "INT64")
    seed.set_data_from_numpy(np.array([7], np.int64), binary_data=binary)
    return [label, seed]


@pytest.mark.parametrize("binary", [True, False])
def test_triton_infers(inference: triton.InferenceServerClient, server: ServerProcess, binary: bool) -> None:
    names = ("image", "codes", "codes_count", "expected_quality", "stop_reason", "seed")
    outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in names]
    timeout = PATIENT_MS * 1000
    result = inference.infer("tiny", inputs(binary), outputs=outputs, request_id="mine", timeout=timeout, priority=1)
    answer = result.get_response()
    assert (answer["id"], answer["model_version"], answer["parameters"]) == ("mine", "1", {"deadline_ms": PATIENT_MS})
    image, codes = result.as_numpy("image"), result.as_numpy("codes")
    assert image is not None
    assert codes is not None
    assert (image.shape, image.dtype, codes.shape) == ((3, 1, 8, 8), np.float32, (3, 6))
    assert [result.as_numpy(name).tolist() for name in names[2:]] == [
        [6] * 3,
        [1.0] * 3,
        [b"complete"] * 3 if binary else ["complete"] * 3,
        [7] * 3,
    ]
    # The same samples as one at a time from POST /v1/generate.
    for i, label in enumerate(LABELS):
        body = {"model": "tiny", "label": label, "seed": 7, "index": i, "format": "npy", "deadline_ms": PATIENT_MS}
        (output,) = httpx.post(f"{server.url}/v1/generate", json=body, timeout=30).json()["outputs"]
        assert output["codes"] == codes[i].tolist()
        assert np.array_equal(np.load(io.BytesIO(base64.b64decode(output["b64"]))), image[i])


def test_triton_infers_with_everything_left_to_the_server(inference: triton.InferenceServerClient) -> None:
    result = inference.infer("tiny", [], timeout=PATIENT_MS * 1000)
    image = result.as_numpy("image")
    assert image is not None
    assert image.shape == (1, 1, 8, 8)
    assert result.as_numpy("encoded") is None


def test_triton_gets_files(inference: triton.InferenceServerClient) -> None:
    outputs = [triton.InferRequestedOutput("encoded"), triton.InferRequestedOutput("codes_count")]
    options = {"scale": 4, "format": "png"}
    result = inference.infer("tiny", inputs(True), outputs=outputs, timeout=PATIENT_MS * 1000, parameters=options)
    files = result.as_numpy("encoded")
    assert files is not None
    for file in files:
        with Image.open(io.BytesIO(file)) as picture:
            assert (picture.format, picture.size) == ("PNG", (32, 32))


def test_triton_raises_what_is_refused(inference: triton.InferenceServerClient) -> None:
    label = triton.InferInput("label", [1], "BYTES")
    label.set_data_from_numpy(np.array(["triangle"], dtype=object))
    with pytest.raises(InferenceServerException, match="circle, square, star") as refused:
        inference.infer("tiny", [label])
    assert refused.value.status() == "400"
    with pytest.raises(InferenceServerException) as hurried:
        inference.infer("tiny", [], timeout=1)
    assert hurried.value.status() == "504"


def test_curl_reads_the_stream_of_events(server: ServerProcess) -> None:
    body = '{"model": "long", "deadline_ms": 3000, "preview_ms": 100, "label": "star", "seed": 7}'
    command = ["curl", "-sSN", f"{server.url}/v1/generate", "-H", "Accept: text/event-stream"]
    command += ["-H", "Content-Type: application/json", "-d", body]
    read = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    (first, accepted), *previews, (last, completed) = parse(read.stdout)
    assert (first, accepted["label"], accepted["codes_total"]) == ("accepted", "star", 5000)
    assert {name for name, _ in previews} == {"preview"}
    assert last == "completed"
    assert completed["outputs"][0]["stop_reason"] in ENDINGS
    shown = [event["output"] for _, event in previews] + completed["outputs"]
    assert {size_of(output["b64"]) for output in shown} == {(8, 8)}
    codes = [output["codes"] for output in shown]
    assert all(later[: len(earlier)] == earlier for earlier, later in pairwise(codes))
    times = [event["elapsed_ms"] for _, event in previews]
    assert times == sorted(times)


def test_a_curl_that_is_ended_frees_its_slot(server: ServerProcess) -> None:
    def taken_back() -> str:
        metrics = httpx.get(f"{server.url}/metrics").text.splitlines()
        return next(line for line in metrics if 'outcome="client_closed"' in line and 'model="long"' in line)

    before = taken_back()
    command = ["curl", "-sSN", f"{server.url}/v1/generate", "-H", "Accept: text/event-stream"]
    command += ["-H", "Content-Type: application/json", "-d", '{"model": "long", "n": 32, "deadline_ms": 60000}']
    curl = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert curl.stdout
    assert curl.stdout.readline() == b"event: accepted\n"
    curl.kill()
    curl.wait()
    curl.stdout.close()
    for _ in range(600):
        if taken_back() != before:
            break
        time.sleep(0.1)
    assert taken_back() != before
