"""The playground at `/`: one page, its styles and its modules, out of the package's data.

The page itself is asked for each time, and answered with 304 where nothing has changed. What it refers to has the hash
of all of it in its address, and so may be kept for ever: modules of two versions never meet in one page.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import cached_property
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

FOLDER = Path(__file__).resolve().parent.parent / "playground"
PAGE = "index.html"
PLACEHOLDER = b"@version"
"""In the page, what stands for the version."""

SECURITY = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
"""Nothing from elsewhere, nothing inline, and nobody's frame. `'self'` covers websockets to the same host."""
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_ALWAYS_ASK = "no-cache"
_KEEP = "public, max-age=31536000, immutable"
_NOT_AT_ALL = re.compile(r"\s*q=0(\.0*)?\s*", re.IGNORECASE)


class _File:
    """One file, ready to be sent, and how long it may be kept."""

    def __init__(self, name: str, body: bytes, keep: str) -> None:
        self.headers = {**SECURITY, "cache-control": keep, "content-type": _MEDIA_TYPES[Path(name).suffix]}
        self.body = body
        self.zipped = gzip.compress(body, mtime=0)

    @cached_property
    def tag(self) -> str:
        """What tells this content from any other."""
        return hashlib.sha256(self.body).hexdigest()[:16]


class Site:
    """All files of a folder, in memory.

    Attributes:
        version: the hash of all of them.
    """

    def __init__(self, folder: Path) -> None:
        contents = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in _MEDIA_TYPES}
        whole = hashlib.sha256()
        for name, body in contents.items():
            whole.update(f"{name} {len(body)}\n".encode() + body)
        self.version = whole.hexdigest()[:16]
        page = contents.pop(PAGE).replace(PLACEHOLDER, self.version.encode())
        self._page = _File(PAGE, page, _ALWAYS_ASK)
        self._files = {name: _File(name, body, _KEEP) for name, body in contents.items()}

    def page(self, request: Request) -> Response:
        """The page."""
        return _answer(self._page, request)

    def file(self, version: str, name: str, request: Request) -> Response:
        """What the page of a version refers to. Raises HTTPException if there is no such file of that version."""
        if version != self.version or name not in self._files:
            raise HTTPException(404)
        return _answer(self._files[name], request)


def _answer(file: _File, request: Request) -> Response:
    """The file, compressed for whom that helps, or 304 for whom has it."""
    zipped = _takes_gzip(request.headers.get("accept-encoding", ""))
    headers = {**file.headers, "vary": "Accept-Encoding", "etag": f'"{file.tag}{"-gzip" if zipped else ""}"'}
    known = request.headers.get("if-none-match", "")
    if known == "*" or headers["etag"] in (each.strip().removeprefix("W/") for each in known.split(",")):
        del headers["content-type"]
        return Response(status_code=304, headers=headers)
    if zipped:
        headers["content-encoding"] = "gzip"
    return Response(file.zipped if zipped else file.body, headers=headers)


def _takes_gzip(accept_encoding: str) -> bool:
    """Whether an `Accept-Encoding` names gzip, and not to rule it out."""
    for element in accept_encoding.split(","):
        coding, _, weight = element.partition(";")
        if coding.strip().lower() == "gzip":
            return _NOT_AT_ALL.fullmatch(weight) is None
    return False


router = APIRouter(include_in_schema=False)
_site = Site(FOLDER)


@router.get("/")
async def page(request: Request) -> Response:
    """The playground."""
    return _site.page(request)


@router.get("/playground/{version}/{name}")
async def file(request: Request) -> Response:
    """What the playground is made of."""
    return _site.file(request.path_params["version"], request.path_params["name"], request)
