"""The script and the styles come from here, under addresses that change with them."""

import hashlib
from pathlib import Path

from gateway.web.dashboard import static
from tests.web.conftest import Gateway

FOLDER = Path(static.__file__).parent / "static"


async def test_every_file_is_served_as_what_it_is_for_as_long_as_it_is_this(gateway: Gateway) -> None:
    for name, kind in (
        ("dashboard.css", "text/css"),
        ("htmx.min.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    ):
        answer = await gateway.http.get(static.address(name))
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["content-type"].count("charset") <= 1
        assert "immutable" in answer.headers["cache-control"]
        assert answer.content == (FOLDER / name).read_bytes()


async def test_nothing_else_is_served(gateway: Gateway) -> None:
    tag = static.address("dashboard.css").split("/")[2]
    for path in ("/static/x/dashboard.css", f"/static/{tag}/htmx.min.js", f"/static/{tag}/..%2f__init__.py"):
        assert (await gateway.http.get(path)).status_code == 404


def test_htmx_is_the_file_of_its_package_with_its_licence_beside_it() -> None:
    told = (FOLDER / "htmx.txt").read_text()
    assert hashlib.sha256((FOLDER / "htmx.min.js").read_bytes()).hexdigest() in told
    assert "Zero-Clause BSD" in told


def test_nothing_comes_from_elsewhere() -> None:
    ours = [*FOLDER.glob("dashboard.*"), *(FOLDER.parent / "templates").iterdir()]
    assert not [
        file.name
        for file in ours
        if "//" in file.read_text().replace("http://www.w3.org/2000/svg", "").replace("// ", "")
    ]
