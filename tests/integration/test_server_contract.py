"""A real server held to its own OpenAPI document, to hostile bodies, and to its counters."""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from api_document import api
from error_shapes import check_error
from hypothesis import HealthCheck, Phase, settings
from prometheus_client.parser import text_string_to_metric_families
from schemathesis.specs.openapi import checks
from server_process import ServerProcess, running_server

MEGABYTE = 1 << 20
ALLOWED_SERVER_ERRORS = {503, 504}


@pytest.fixture(scope="module")
def server(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tiny_bundle, tmp_path_factory.mktemp("server"), "--max-deadline-ms", "5000") as each:
        yield each


@pytest.fixture
def client(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as each:
        yield each


# That labels and lengths depend on the loaded model cannot be said in a document, so what it allows may still be a 422.
CHECKED = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
    checks.allow_header_conformance,
]


@api.parametrize()
@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_document_is_kept(case: schemathesis.Case[Any], server: ServerProcess) -> None:
    response = case.call_and_validate(base_url=server.url, checks=CHECKED)
    assert response.status_code < 500 or response.status_code in ALLOWED_SERVER_ERRORS, response.content
    if response.status_code >= 400:
        check_error(case.path, response.status_code, response.headers["content-type"][0], response.json())


def test_the_served_document_is_the_one_tested(client: httpx.Client) -> None:
    assert client.get("/openapi.json").json() == api.raw_schema


def garbage() -> list[bytes]:
    """Bodies that nobody should send."""
    noise = random.Random(7)
    return [
        b"\x00",
        noise.randbytes(300),
        noise.randbytes(100_000),
        b'{"n": 1' + b"0" * 100_000 + b"}",
        b'{"label": "' + b"\\u0000" * 1000 + b'"}',
        b"[" * 100_000,
        b'{"a":' * 10_000,
        b"x" * (10 * MEGABYTE),
    ]


def routes(client: httpx.Client) -> list[str]:
    paths = client.get("/openapi.json").json()["paths"]
    return [path.replace("{name}", "tiny").replace("{version}", "1") for path in paths]


@pytest.mark.parametrize("body", garbage(), ids=lambda body: f"{len(body)}-bytes")
def test_hostile_bodies_on_every_route(client: httpx.Client, body: bytes) -> None:
    for path in [*routes(client), "/", "/nothing"]:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            for headers in ({}, {"content-type": "application/json"}):
                response = client.request(method, path, content=body, headers=headers)
                if len(body) > MEGABYTE:
                    assert response.status_code == 413, (method, path)
                elif method != "GET":
                    assert 400 <= response.status_code < 500, (method, path)
                else:
                    assert response.status_code < 500, (method, path)
                if response.status_code >= 400:
                    check_error(path, response.status_code, response.headers["content-type"], response.json())


def test_a_chunked_flood_is_cut_off(client: httpx.Client) -> None:
    response = client.post("/v1/generate", content=(b" " * 65536 for _ in range(160)))
    assert response.status_code == 413


def requests_counted(client: httpx.Client) -> Counter[tuple[str, str]]:
    """requests_total by model and outcome."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return Counter(
        {
            (sample.labels["model"], sample.labels["outcome"]): int(sample.value)
            for family in families
            for sample in family.samples
            if sample.name == "anytime_requests_total"
        }
    )


def test_counters_add_up_to_the_requests_sent(client: httpx.Client) -> None:
    before = requests_counted(client)
    sent: Counter[str] = Counter()
    for number in range(60):
        body: dict[str, object] = {"seed": number, "deadline_ms": (0.001, 30.0, 150.0)[number % 3]}
        if number % 5 == 0:
            body = {"n": -1}
        elif number % 7 == 0:
            body["model"] = "missing"
        response = client.post("/v1/generate", json=body)
        if response.status_code == 200:
            sent[response.json()["outputs"][0]["stop_reason"]] += 1
        else:
            sent[{404: "invalid", 422: "invalid", 504: "infeasible"}[response.status_code]] += 1
    client.post("/v1/generate", content=b"\xff")
    client.post("/v1/generate", content=b"x" * (2 * MEGABYTE))
    sent["invalid"] += 2
    counted: Counter[str] = Counter()
    for (_, outcome), count in (requests_counted(client) - before).items():
        counted[outcome] += count
    assert counted == sent
    assert sent["infeasible"] > 0
    assert counted.total() == 62


def test_promtool_has_no_complaint(client: httpx.Client) -> None:
    assert client.post("/v1/generate", json={"deadline_ms": 5000}).status_code == 200
    exposition = client.get("/metrics").content
    checked = subprocess.run(["promtool", "check", "metrics"], input=exposition, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_nothing_was_unforeseen(server: ServerProcess, client: httpx.Client) -> None:
    """Runs last: whatever the tests above sent, nothing was counted as a failure or logged as an error."""
    failed = [count for (_, outcome), count in requests_counted(client).items() if outcome == "failed"]
    assert sum(failed) == 0
    assert '"level":"error"' not in server.log
    assert " ERROR " not in server.log, "of a worker"
    assert "Traceback" not in server.log
