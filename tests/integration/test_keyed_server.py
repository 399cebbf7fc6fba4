"""A real server with keys, from the command that makes them to the one that takes them away."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import schemathesis
from api_document import api
from hypothesis import HealthCheck, Phase, settings
from keyed import KeyFile
from schemathesis.specs.openapi import checks
from server_process import COMMAND, ROOT, ServerProcess, running_server
from socket_client import ending, event, open_socket, send
from websockets.exceptions import InvalidStatus

from service.api.door import OPEN_PATHS

PATIENCE = 30


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFile:
    file = KeyFile(tmp_path_factory.mktemp("keys"))
    file.add("alice")
    file.add("bob", rate=0.01, burst=2, max_deadline_ms=2000.0)
    file.add("prometheus", metrics_only=True)
    return file


@pytest.fixture(scope="module")
def server(tiny_bundle: Path, keys: KeyFile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    options = ("--keys", str(keys.path), "--max-deadline-ms", "5000", "--log-level", "debug")
    with running_server(tiny_bundle, tmp_path_factory.mktemp("server"), *options) as each:
        yield each


def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120, **options)  # type: ignore[call-overload, no-any-return]


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another process will do."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def status(server: ServerProcess, key: str, path: str = "/v1/models") -> int:
    return httpx.get(f"{server.url}{path}", headers={"Authorization": f"Bearer {key}"}).status_code


def test_nothing_but_health_without_a_key(server: ServerProcess) -> None:
    for path in ("/livez", "/readyz"):
        assert httpx.get(f"{server.url}{path}").status_code == 200
    for path in ("/metrics", "/docs", "/openapi.json", "/v1/models"):
        response = httpx.get(f"{server.url}{path}")
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    response = httpx.post(f"{server.url}/v1/generate", content=b"x" * (1 << 20))
    assert (response.status_code, response.json()["type"]) == (401, "urn:anytime:problem:unauthorized")


def test_a_picture_for_a_key(server: ServerProcess, keys: KeyFile) -> None:
    body = {"deadline_ms": 5000, "seed": 1}
    response = httpx.post(f"{server.url}/v1/generate", json=body, headers=keys.headers("alice"), timeout=60)
    assert (response.status_code, response.json()["deadline_ms"]) == (200, 5000)


def test_a_rate_and_a_deadline_of_its_own(server: ServerProcess, keys: KeyFile) -> None:
    with httpx.Client(base_url=server.url, headers=keys.headers("bob"), timeout=60) as bob:
        answers = [bob.post("/v1/generate", json={"deadline_ms": 5000}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].json()["deadline_ms"] == 2000
    assert 90 <= int(answers[2].headers["retry-after"]) <= 100


async def test_a_websocket_for_a_key(server: ServerProcess, keys: KeyFile) -> None:
    address = server.url.removeprefix("http://")
    with pytest.raises(InvalidStatus, match="HTTP 401"):
        async with open_socket(address):
            pass
    with pytest.raises(InvalidStatus, match="HTTP 403"):
        async with open_socket(address, additional_headers=keys.headers("alice"), origin="https://evil.example"):
            pass
    offered = ["anytime", f"anytime.key.{keys.keys['alice']}"]
    async with open_socket(address, subprotocols=offered, origin=server.url) as ws:
        assert ws.subprotocol == "anytime"
        await send(ws, type="generate", id="a", deadline_ms=5000)
        assert (await event(ws))["type"] == "accepted"
        assert (await ending(ws))["type"] == "completed"


def test_prometheus_scrapes_with_a_key_of_its_own(server: ServerProcess, keys: KeyFile) -> None:
    """As `deploy/prometheus/prometheus-with-key.yml` has it, which is checked elsewhere."""
    response = httpx.get(f"{server.url}/metrics", headers=keys.headers("prometheus"))
    assert 'anytime_key_requests_total{key="prometheus",result="admitted"}' in response.text
    assert status(server, keys.keys["prometheus"]) == 403


def test_keys_come_and_go_without_a_restart(server: ServerProcess, keys: KeyFile) -> None:
    made = run("keys", "add", "carol", "--file", keys.path)
    assert made.returncode == 0, made.stderr
    carol = made.stdout.strip()
    until(lambda: status(server, carol) == 200)
    good = keys.path.read_text()
    keys.path.write_text(good + "[keys.carol]\n")
    until(lambda: "stay in force" in server.log)
    assert status(server, carol) == 200
    keys.path.write_text(good)
    revoked = run("keys", "revoke", "carol", "--file", keys.path)
    assert revoked.returncode == 0, revoked.stderr
    until(lambda: status(server, carol) == 401)
    assert status(server, keys.keys["alice"]) == 200


def test_a_signal_has_the_file_read_again(server: ServerProcess, keys: KeyFile) -> None:
    line = f"{keys.path}: 3 keys"
    until(lambda: line in server.log)
    before = server.log.count(line)
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.log.count(line) == before + 1)
    assert server.process.poll() is None


def test_the_clients_of_the_command_line_send_a_key(server: ServerProcess, keys: KeyFile, tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    asked = ("generate", "--url", server.url, "--deadline-ms", "5000", "--out", out)
    refused = run(*asked)
    assert refused.returncode == 1
    assert "the server answered 401 unauthorized" in refused.stderr
    answered = run(*asked, env={**os.environ, "ANYTIME_API_KEY": keys.keys["alice"]})
    assert answered.returncode == 0, answered.stderr
    assert out.exists()
    measured = ("bench", "api", "--url", server.url, "--seconds", "1", "--warmup", "0", "--rate", "20")
    refused = run(*measured)
    assert "wants another key than it was sent" in refused.stderr
    answered = run(*measured, "--api-key", keys.keys["alice"])
    assert answered.returncode == 0, answered.stderr


@api.parametrize()
@settings(
    max_examples=15, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
def test_refusals_are_as_documented(case: schemathesis.Case, server: ServerProcess) -> None:  # type: ignore[type-arg]
    case.headers.pop("Authorization", None)
    case.headers.pop("x-api-key", None)
    documented = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
    response = case.call_and_validate(base_url=server.url, checks=documented)
    health = case.method == "GET" and case.path in OPEN_PATHS
    assert response.status_code == (200 if health else 401)


def test_no_key_was_ever_logged(server: ServerProcess, keys: KeyFile) -> None:
    """Runs after the others, over the log of all that they did, at the level that says most."""
    log = server.log
    assert '"status":401' in log
    assert '"key":"alice"' in log
    for key in keys.keys.values():
        assert key.removeprefix("anytime_") not in log
    assert "Traceback" not in log


# Starting


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_nobody_serves_the_network_by_mistake(tiny_bundle: Path, host: str) -> None:
    refused = run("serve", "--host", host, "--port", "0", "--bundles", tiny_bundle)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    for word in (f"whoever reaches {host}", "--keys FILE", "anytime keys add NAME --file FILE", "ANYTIME_OPEN=true"):
        assert word in refused.stderr


def test_a_server_may_be_open_if_that_is_meant(tiny_bundle: Path, tmp_path: Path) -> None:
    with running_server(tiny_bundle, tmp_path, "--host", "0.0.0.0", "--open") as server:
        port = httpx.URL(server.url).port
        assert httpx.get(f"http://127.0.0.1:{port}/v1/models").status_code == 200
        assert "open to whoever reaches 0.0.0.0, /metrics and /docs included: there are no keys" in server.log


def test_keys_are_enough_to_serve_the_network(tiny_bundle: Path, keys: KeyFile, tmp_path: Path) -> None:
    with running_server(tiny_bundle, tmp_path, "--host", "0.0.0.0", "--keys", str(keys.path)) as server:
        port = httpx.URL(server.url).port
        assert httpx.get(f"http://127.0.0.1:{port}/v1/models").status_code == 401


def test_a_file_of_keys_that_cannot_be_read_stops_the_start(tiny_bundle: Path, tmp_path: Path) -> None:
    refused = run("serve", "--port", "0", "--bundles", tiny_bundle, "--keys", tmp_path / "none.toml")
    assert refused.returncode == 1
    assert refused.stderr.startswith("anytime: there is no file of keys at ")
    assert "makes one" in refused.stderr
