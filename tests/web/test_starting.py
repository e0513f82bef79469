"""What a start takes from settings, and what it leaves as it was."""

from pathlib import Path

import pytest

from gateway.config import Settings
from gateway.contract.errors import ConfigurationError
from gateway.sealing import digest
from gateway.web import server
from gateway.web.dashboard import door
from gateway.web.startup import ADMIN_KEY_FILE, ADMIN_KEY_ID, running

GIVEN = "a-key-that-was-set"


async def admin_digest(settings: Settings) -> bytes:
    async with running(settings, "http://127.0.0.1:1") as services:
        return next(key.digest for key in await services.store.keys() if key.id == ADMIN_KEY_ID)


async def test_a_key_that_is_set_no_longer_ends_and_the_files_is_the_admins_again(tmp_path: Path) -> None:
    plain = Settings(data_dir=tmp_path / "data")
    first = await admin_digest(plain)
    kept = (plain.data_dir / ADMIN_KEY_FILE).read_text().strip()
    assert first == digest(kept)
    assert await admin_digest(Settings(data_dir=plain.data_dir, admin_key=GIVEN)) == digest(GIVEN)
    assert await admin_digest(plain) == digest(kept)


async def test_a_key_that_was_always_set_stays_when_no_file_holds_another(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert await admin_digest(Settings(data_dir=data, admin_key=GIVEN)) == digest(GIVEN)
    assert await admin_digest(Settings(data_dir=data)) == digest(GIVEN)
    assert not (data / ADMIN_KEY_FILE).exists()


def test_two_listeners_on_one_address_are_refused() -> None:
    first = server._Sockets.bind(Settings(port=0, public_listen="127.0.0.1:0"))
    port = first.main.getsockname()[1]
    assert first.public is not None
    for socket in (first.main, first.public):
        socket.close()
    with pytest.raises(ConfigurationError, match="GATEWAY_PUBLIC_LISTEN"):
        server._Sockets.bind(Settings(port=port, public_listen=f"127.0.0.1:{port}"))


@pytest.mark.parametrize(
    "back", ["//elsewhere.example", "/\\elsewhere.example", "https://x.example/", "/中", "/a\r\nb", ""]
)
def test_a_way_back_that_leads_elsewhere_or_fits_no_header_is_not_taken(back: str) -> None:
    assert door._local(back) == "/"
    assert door._local("/events?x=1") == "/events?x=1"
