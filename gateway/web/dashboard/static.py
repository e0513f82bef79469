"""The script and the styles: read once, served from memory under an address that changes with them."""

import hashlib
from pathlib import Path
from typing import Final

from litestar import Response, get
from litestar.params import FromPath

from gateway.web.problems import missing

KINDS: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOLDER = Path(__file__).parent / "static"
_FILES: Final = {file.name: file.read_bytes() for file in _FOLDER.iterdir() if file.suffix in KINDS}
_TAGS: Final = {name: hashlib.sha256(body).hexdigest()[:12] for name, body in _FILES.items()}


def address(name: str) -> str:
    """Name the address of a file of ours, its content's digest included."""
    return f"/static/{_TAGS[name]}/{name}"


@get("/static/{tag:str}/{name:str}", include_in_schema=False, sync_to_thread=False)
def serve(tag: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """Serve one file; nobody has to ask for it twice."""
    if _TAGS.get(name) != tag:
        raise missing("file")
    headers = {
        "cache-control": "public, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "same-origin",
    }
    return Response(_FILES[name], media_type=KINDS[Path(name).suffix], headers=headers)
