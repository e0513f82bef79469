"""/openapi.json, and /docs: the same for people, one page without a script and without anything from elsewhere."""

import json
from functools import lru_cache
from typing import Any

from litestar import Litestar, Request, Response, get

from gateway.web.api.openapi import document
from gateway.web.api.page import page

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@get("/openapi.json", media_type="application/vnd.oai.openapi+json", sync_to_thread=False)
def openapi_json(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Serve the OpenAPI document."""
    return Response(_document(request.app), media_type="application/json")


@get("/docs", media_type="text/html", sync_to_thread=False)
def docs(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Serve the page for people."""
    return Response(_page(request.app), media_type="text/html", headers={"content-security-policy": POLICY})


# Anybody may ask for these, so they are made once: each takes some ten milliseconds.


@lru_cache(maxsize=1)
def _document(app: Litestar) -> bytes:
    return json.dumps(document(app)).encode()


@lru_cache(maxsize=1)
def _page(app: Litestar) -> bytes:
    return page(document(app)).encode()
