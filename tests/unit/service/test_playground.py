"""The playground's route: what is sent, how long it may be kept, and that the page fits together."""

from __future__ import annotations

import gzip
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import httpx
import pytest
from fake_pool import FakePool

from service.api.playground import FOLDER, PAGE, Site

ROOT = Path(__file__).parents[3]
FILES = sorted(path.name for path in FOLDER.iterdir())
MODULES = [name for name in FILES if name.endswith(".js")]
WORKER = "socket.js"


async def page(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await client.get("/", headers={"accept-encoding": "identity", **headers})


async def addresses(client: httpx.AsyncClient) -> list[str]:
    """What the page refers to of its own."""
    return re.findall(r'(?:href|src)="(playground/[^"]+)"', (await page(client)).text)


async def test_the_page_is_asked_for_each_time_and_sent_only_when_it_is_another(client: httpx.AsyncClient) -> None:
    response = await page(client)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert response.headers["cache-control"] == "no-cache"
    assert "<title>Anytime playground</title>" in response.text
    assert 'href="docs"' in response.text
    tag = response.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await page(client, **{"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["cache-control"] == "no-cache"
    assert (await page(client, **{"if-none-match": '"other"'})).status_code == 200


async def test_what_it_refers_to_is_kept_for_ever(client: httpx.AsyncClient) -> None:
    found = await addresses(client)
    types = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
    assert len({address.split("/")[1] for address in found}) == 1
    for address in found:
        response = await client.get(address)
        assert (response.status_code, response.headers["content-type"]) == (200, types[address.rpartition(".")[2]])
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.content == (FOLDER / address.rpartition("/")[2]).read_bytes()


async def test_nothing_from_elsewhere_and_nothing_inline_is_run(client: httpx.AsyncClient) -> None:
    for address in ("/", *await addresses(client)):
        headers = (await client.get(address)).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'self'"
        assert policy["img-src"] == "'self' blob: data:"
        assert policy["media-src"] == "'self' blob:"
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
        assert not {"script-src", "style-src", "connect-src"} & set(policy), "default-src says all of it"
        assert headers["x-content-type-options"] == "nosniff"
    text = (FOLDER / PAGE).read_text()
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=", text) == []


async def test_no_file_names_another_host() -> None:
    allowed = {"http://www.w3.org/2000/svg"}
    found = {address for name in FILES for address in re.findall(r"(?:https?:)?//[\w.-]+\.[\w./-]+", read(name))}
    assert found <= allowed


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, br", False),
        ("br", False),
        ("identity", False),
        ("", False),
    ],
)
async def test_compressed_for_whom_that_helps(client: httpx.AsyncClient, accepted: str, zipped: bool) -> None:
    async with client.stream("GET", "/", headers={"accept-encoding": accepted}) as response:
        body = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.headers.get("content-encoding") == ("gzip" if zipped else None)
    assert response.headers["vary"] == "Accept-Encoding"
    assert (gzip.decompress(body) if zipped else body) == (await page(client)).content
    assert (response.headers["etag"] == (await page(client)).headers["etag"]) == (not zipped)


async def test_head_other_methods_and_what_is_not_there(client: httpx.AsyncClient) -> None:
    head = await client.head("/", headers={"accept-encoding": "identity"})
    assert (head.status_code, head.headers["content-length"]) == (200, str(len((await page(client)).content)))
    refused = await client.post("/")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
    version = (await addresses(client))[0].split("/")[1]
    for path in (f"{version}/nothing.js", f"0123/{MODULES[0]}", f"{version}/{PAGE}", f"{version}/..%2Fcli.py", version):
        response = await client.get(f"/playground/{path}")
        assert (response.status_code, response.json()["type"]) == (404, "urn:anytime:problem:not-found")


async def test_the_page_is_not_in_the_document(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert [path for path in paths if path == "/" or path.startswith("/playground")] == []


async def test_it_is_served_before_any_worker_is_ready(client: httpx.AsyncClient, pool: FakePool) -> None:
    pool.ready = False
    assert (await page(client)).status_code == 200


def test_another_content_has_another_version(tmp_path: Path) -> None:
    versions = []
    for style in ("a", "b"):
        (tmp_path / PAGE).write_text("<link href=playground/@version/style.css>")
        (tmp_path / "style.css").write_text(style)
        (tmp_path / "style.css~").write_text("what an editor left behind")
        versions.append(Site(tmp_path).version)
    assert len(set(versions)) == 2


def read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def test_every_module_is_fetched_at_once_and_every_import_is_there() -> None:
    preloaded = re.findall(r'<link rel="modulepreload" href="playground/@version/([^"]+)"', read(PAGE))
    assert sorted([*preloaded, "app.js", WORKER]) == MODULES
    for name in MODULES:
        for imported, module in re.findall(r'^import \{([^}]+)\} from "\./([^"]+)";', read(name), re.MULTILINE):
            assert module in MODULES
            for each in imported.split(","):
                pattern = rf"^export (?:async )?(?:function|class|const) {each.strip()}\b"
                assert re.search(pattern, read(module), re.MULTILINE), f"{name} imports {each} from {module}"
                assert len(re.findall(rf"\b{each.strip()}\b", read(name))) > 1, f"{name} does not use {each}"


def test_files_are_small() -> None:
    assert [name for name in FILES if read(name).count("\n") > 300] == []


def test_the_wheel_holds_all_of_it() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["service"]
    left_out = [name for name in FILES if not any(fnmatch(f"playground/{name}", pattern) for pattern in data)]
    assert left_out == []


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_marks_can_be_told_from_what_is_behind_them(scheme: int) -> None:
    """WCAG 2.2: 4.5 for text, 3 for marks and for the edges of fields."""
    blocks = re.findall(r":root \{([^}]+)\}", read("style.css"))
    assert len(blocks) == 2
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", blocks[scheme]))
    for text in ("ink", "soft", "accent", "warn"):
        for behind in ("paper", "card", "well", "tint", "warn-tint"):
            assert contrast(colours[text], colours[behind]) >= 4.5, (text, behind)
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
    for mark in ("edge", "good", "queue", "sample", "decode", "encode", "rest", "network"):
        for behind in ("paper", "card"):
            assert contrast(colours[mark], colours[behind]) >= 3, (mark, behind)
