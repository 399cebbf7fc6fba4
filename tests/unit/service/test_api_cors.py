"""Pages of other sites: what browsers ask, what they are told, and which websockets they may open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import TYPE, api_client
from fake_pool import FakePool, app_over
from keyed import KeyFile
from live_server import live
from socket_client import event, open_socket, send
from websockets.exceptions import InvalidStatus

from models.errors import SettingsError
from service.api.cors import check_socket_origin
from service.api.problems import OriginNotAllowed
from service.settings import Settings, read_settings

SITE = "https://site.example"
SETTINGS = Settings(cors_origins=f"{SITE}, http://localhost:3000")
ASKS = {"Origin": SITE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-a"}


def allowed(response: httpx.Response) -> str | None:
    found: str | None = response.headers.get("access-control-allow-origin")
    return found


async def test_without_a_setting_nothing_is_said(client: httpx.AsyncClient) -> None:
    for response in (
        await client.post("/v1/generate", json={}, headers={"Origin": SITE}),
        await client.options("/v1/generate", headers=ASKS),
        await client.get("/nothing", headers={"Origin": SITE}),
    ):
        assert not [name for name in response.headers if name.startswith("access-control")]
    assert (await client.options("/v1/generate", headers=ASKS)).status_code == 405


async def test_a_page_that_is_allowed_is_told_so_whatever_the_answer_is(pool: FakePool) -> None:
    async with api_client(pool, cors_origins=SETTINGS.cors_origins) as client:
        for method, path, body, status in (
            ("POST", "/v1/generate", b"{}", 200),
            ("POST", "/v1/generate", b"{", 400),
            ("POST", "/v1/generate", b"x" * 5000, 413),
            ("GET", "/v1/models", b"", 200),
            ("GET", "/v1/models/none", b"", 404),
            ("GET", "/nothing", b"", 404),
            ("DELETE", "/v1/models", b"", 405),
            ("OPTIONS", "/v1/models", b"", 405),  # a plain one: no browser's question
        ):
            response = await client.request(method, path, content=body, headers={"Origin": SITE})
            assert (response.status_code, allowed(response)) == (status, SITE), (method, path)
            assert "Origin" in response.headers.get_list("vary")
            assert response.headers["access-control-expose-headers"] == "*"
            assert "access-control-allow-credentials" not in response.headers
        for origin in ("https://site.example.evil", "http://site.example", "https://SITE.example", "null"):
            response = await client.post("/v1/generate", json={}, headers={"Origin": origin})
            assert (response.status_code, allowed(response)) == (200, None)
            assert "Origin" in response.headers.get_list("vary")
        assert allowed(await client.get("/v1/models")) is None


async def test_over_a_real_connection_too(pool: FakePool) -> None:
    """Where a generation's answer is written past everything else."""
    async with (
        live(app_over(pool, SETTINGS), SETTINGS) as address,
        httpx.AsyncClient(base_url=f"http://{address}", headers={"Origin": "http://localhost:3000"}) as client,
    ):
        response = await client.post("/v1/generate", json={})
        assert (response.status_code, allowed(response)) == (200, "http://localhost:3000")
        assert response.headers.get_list("vary") == ["Accept", "Origin"]
        assert response.headers["x-request-id"]
        response = await client.post("/v1/generate", json={}, headers={"Accept": "text/event-stream"})
        assert (response.status_code, allowed(response)) == (200, "http://localhost:3000")
        assert "event: completed" in response.text


async def test_a_browser_that_asks_first(pool: FakePool) -> None:
    async with api_client(pool, cors_origins=SETTINGS.cors_origins) as client:
        for path in ("/v1/generate", "/v1/models", "/nothing"):
            response = await client.options(path, headers=ASKS)
            assert (response.status_code, response.content) == (204, b"")
            assert allowed(response) == SITE
            assert response.headers["access-control-allow-methods"] == "GET, POST"
            assert response.headers["access-control-allow-headers"] == "authorization,x-a"
            assert response.headers["access-control-max-age"] == "600"
        response = await client.options("/v1/generate", headers={**ASKS, "Origin": "https://evil.example"})
        assert (response.status_code, response.json()["type"]) == (403, TYPE + "origin-not-allowed")
        assert allowed(response) is None
        response = await client.options("/v1/generate", headers={**ASKS, "Access-Control-Request-Headers": "a; b"})
        assert "access-control-allow-headers" not in response.headers
        assert not pool.tickets


async def test_all_sites(pool: FakePool) -> None:
    async with api_client(pool, cors_origins="*") as client:
        response = await client.post("/v1/generate", json={}, headers={"Origin": "https://any.example"})
        assert (allowed(response), response.headers.get_list("vary")) == ("*", ["Accept"])
        assert (await client.options("/v1/generate", headers=ASKS)).status_code == 204


async def test_with_keys_a_browser_may_ask_without_one_and_read_what_is_wrong(pool: FakePool, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path)
    keys.add("alice")
    async with api_client(pool, cors_origins=SITE, keys=keys.path) as client:
        assert (await client.options("/v1/generate", headers=ASKS)).status_code == 204
        response = await client.post("/v1/generate", json={}, headers={"Origin": SITE})
        assert (response.status_code, allowed(response)) == (401, SITE)
        headers = {"Origin": SITE, **keys.headers("alice")}
        response = await client.post("/v1/generate", json={}, headers=headers)
        assert (response.status_code, allowed(response)) == (200, SITE)
        assert (await client.options("/v1/generate", headers={"Origin": SITE})).status_code == 401


@pytest.mark.parametrize(
    "origins",
    ["site.example", "https://site.example/", "https://site.example/path", "ftp://site.example", "https://A.example"],
)
def test_sites_that_no_browser_writes_so(origins: str) -> None:
    with pytest.raises(SettingsError, match=r"cors_origins \(from command line\): .*https?://"):
        read_settings({"cors_origins": origins})


def test_sites_are_a_list() -> None:
    assert SETTINGS.origins == {SITE, "http://localhost:3000"}
    assert Settings(cors_origins=" * ").origins == {"*"}
    assert Settings(cors_origins="http://[::1]:3000,http://127.0.0.1").origins == {
        "http://[::1]:3000",
        "http://127.0.0.1",
    }
    assert Settings().origins == set()


# Websockets, of which browsers ask nobody


async def opens(address: str, **headers: str) -> bool:
    """Whether a page of this origin may open a websocket, and use it."""
    try:
        async with open_socket(address, additional_headers=headers) as ws:
            await send(ws, type="generate", id="a")
            return bool((await event(ws))["type"] == "accepted")
    except InvalidStatus as refusal:
        response = refusal.response
    assert response.status_code == 403
    assert json.loads(response.body or b"")["type"] == TYPE + "origin-not-allowed"
    return False


@pytest.mark.parametrize(
    ("settings", "rules"),
    [
        (
            {},
            {
                "http://{host}:{port}": True,
                "https://{host}:{port}": True,  # where a proxy has taken the encryption off
                "http://{host}": False,
                "http://evil.example": False,
                "http://evil.example:{port}": False,
                "http://{host}.evil.example:{port}": False,
                "null": False,
                "": False,
                "http://[": False,
                "file://": False,
            },
        ),
        ({"cors_origins": SITE}, {SITE: True, "http://{host}:{port}": True, "https://evil.example": False}),
        ({"cors_origins": "*"}, {"https://evil.example": True, "null": True}),
    ],
)
async def test_which_pages_may_open_a_websocket(
    pool: FakePool, settings: dict[str, Any], rules: dict[str, bool]
) -> None:
    chosen = Settings(**settings)
    async with live(app_over(pool, chosen), chosen) as address:
        host, port = address.split(":")
        assert await opens(address)  # what is no browser says nothing of a page
        for origin, may in rules.items():
            assert await opens(address, Origin=origin.format(host=host, port=port)) is may, origin


def test_a_usual_port_is_not_written() -> None:
    """As a browser has it that asks a proxy on port 443, which passes the name on."""

    def may(origin: str, host: str) -> bool:
        try:
            check_socket_origin({"headers": [(b"origin", origin.encode()), (b"host", host.encode())]}, None)
        except OriginNotAllowed:
            return False
        return True

    assert may("https://a.example", "a.example")
    assert may("https://a.example", "a.example:443")
    assert may("https://a.example", "A.example")
    assert may("http://[::1]:8000", "[::1]:8000")
    assert not may("https://a.example", "a.example:80")
    assert not may("https://a.example:8443", "a.example")
    assert not may("https://a.example", "")
    assert not may("https://a.example", "a.example:none")
