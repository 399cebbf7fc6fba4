"""`/docs`: the routes in Swagger UI, whose files are a package's, so that no page of this server asks another host."""

from __future__ import annotations

from pathlib import Path

import fastapi_offline
from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse

from service.api.playground import FOLDER
from service.api.problems import NotFound

_PACKAGE = Path(fastapi_offline.__file__).parent / "static"
_FILES = {
    path.name: path for path in (_PACKAGE / "swagger-ui-bundle.js", _PACKAGE / "swagger-ui.css", FOLDER / "icon.svg")
}
_PAGE = get_swagger_ui_html(  # by relative addresses: a proxy may have given the server a path of its own
    openapi_url="openapi.json",
    title="Anytime",
    swagger_js_url="docs/swagger-ui-bundle.js",
    swagger_css_url="docs/swagger-ui.css",
    swagger_favicon_url="docs/icon.svg",
)

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def page() -> HTMLResponse:
    """Every route, to read and to try."""
    return _PAGE


@router.get("/docs/{name}")
async def file(name: str) -> FileResponse:
    """What the page is made of."""
    if name not in _FILES:
        raise NotFound("There is no such file; /docs lists the routes.")
    return FileResponse(_FILES[name], headers={"cache-control": "public, max-age=3600"})
