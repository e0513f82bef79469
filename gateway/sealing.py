"""Encryption at rest, tokens and keys: every secret the gateway makes or keeps is made or sealed here."""

import base64
import hashlib
import itertools
import os
import re
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.contract.base32 import base32
from gateway.contract.errors import ConfigurationError, GatewayError

KEY_FILE = "secret.keys"
KEY_BYTES = 32
_KEY = re.compile(r"[A-Za-z0-9_-]{43}=?")
_ID = 4
_NONCE = 12
_HEAD = _ID + _NONCE


class SealBroken(GatewayError):
    """Say that sealed bytes cannot be opened: another key, another row, or changed bytes."""


class KeyRing:
    """Seal with the newest key, open with any: `key id (4) | nonce (12) | AES-256-GCM`.

    Each key given is a root from which HKDF makes one sub-key a purpose, so that no key is ever used for two things.
    """

    def __init__(self, roots: Sequence[bytes]) -> None:
        self._ciphers = {_derive(root, b"key id")[:_ID]: AESGCM(_derive(root, b"at rest")) for root in roots}
        self._first = next((name, cipher.encrypt) for name, cipher in self._ciphers.items())
        # A counter from a random start: never repeats within a process, and unlike random nonces there is no
        # practical limit on how much one key may seal (starts would have to fall closer than one process counts).
        self._nonces = itertools.count(secrets.randbits(8 * _NONCE - 1))

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Read 32-byte base64url keys, newest first, separated by white space or commas.

        Raises ConfigurationError naming GATEWAY_SECRET_KEYS.
        """
        roots = [_decode_key(word) for word in re.split(r"[\s,]+", text) if word]
        if not roots:
            raise ConfigurationError("GATEWAY_SECRET_KEYS is empty: give at least one 32-byte base64url key")
        return cls(roots)

    def seal(self, plain: bytes, about: bytes) -> bytes:
        """Encrypt, bound to `about` (table and row): the same bytes elsewhere do not open."""
        nonce = next(self._nonces).to_bytes(_NONCE, "big")
        name, encrypt = self._first
        return name + nonce + encrypt(nonce, plain, about)

    @property
    def newest(self) -> bytes:
        """Name the key that seals now, as each sealed value begins with it."""
        return self._first[0]

    def adopt(self, text: str) -> None:
        """Seal with this key (32 bytes, base64url) from now on, and open with it too. In any thread.

        Raises ConfigurationError.
        """
        root = _decode_key(text)
        name, cipher = _derive(root, b"key id")[:_ID], AESGCM(_derive(root, b"at rest"))
        self._ciphers[name] = cipher
        self._first = (name, cipher.encrypt)

    def unseal(self, sealed: bytes, about: bytes) -> bytes:
        """Decrypt what `seal` made with the same `about`. Raises SealBroken."""
        cipher = self._ciphers.get(sealed[:_ID])
        if cipher is None:
            raise SealBroken("sealed with a key that is not in GATEWAY_SECRET_KEYS")
        try:
            return cipher.decrypt(sealed[_ID:_HEAD], sealed[_HEAD:], about)
        except (InvalidTag, ValueError) as error:  # ValueError: cut short
            raise SealBroken("sealed bytes were changed, or belong to another row") from error


def _derive(root: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"booking-webhook-gateway " + purpose).derive(
        root
    )


def _decode_key(word: str) -> bytes:
    if not _KEY.fullmatch(word):
        raise ConfigurationError(f"GATEWAY_SECRET_KEYS: a key is not base64url of {KEY_BYTES} bytes")
    return base64.urlsafe_b64decode(word[:43] + "=")


def has_keys(data_dir: Path) -> bool:
    """Say whether the key file is there."""
    return (data_dir / KEY_FILE).exists()


def load_or_create_keys(data_dir: Path, given: str | None) -> KeyRing:
    """Use the given keys, else those of the key file in `data_dir`, which is made at first start (0600, fsynced)."""
    if given is not None:
        return KeyRing.parse(given)
    path = data_dir / KEY_FILE
    make_private_dir(data_dir)
    try:
        if not path.exists():
            write_private_file(path, _b64url(secrets.token_bytes(KEY_BYTES)) + "\n")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"GATEWAY_SECRET_KEYS is not set and {path} cannot be used: {error}") from error
    return _parse_file(path, text)


def _parse_file(path: Path, text: str) -> KeyRing:
    try:
        return KeyRing.parse(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path} (used because GATEWAY_SECRET_KEYS is not set): {error}") from error


def add_key(data_dir: Path) -> str:
    """Put a new key in front of the key file, on disk when this returns; answer the key."""
    path, key = data_dir / KEY_FILE, _b64url(secrets.token_bytes(KEY_BYTES))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    write_private_file(draft, f"{key}\n{path.read_text('utf-8')}")
    draft.replace(path)
    sync_dir(path.parent)
    return key


def make_private_dir(path: Path) -> None:
    """Make a directory that only its owner enters; one that exists is left as it is. Raises ConfigurationError."""
    if path.is_dir():
        return
    above = [parent for parent in path.parents if not parent.is_dir()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)  # mkdir's mode is cut by the umask, this is not
        for made in (path, *above):  # a name is on disk by an fsync of the directory that holds it
            sync_dir(made.parent)
    except OSError as error:
        raise ConfigurationError(f"GATEWAY_DATA_DIR: {path} cannot be made: {error.strerror}") from error


def write_private_file(path: Path, text: str) -> None:
    """Write a file 0600 so that it is there whole and on disk, or not at all; one that exists is left as it is."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(handle, 0o600)
            file.write(text)
            file.flush()
            os.fsync(handle)
        _link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    sync_dir(path.parent)


def _link(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        return  # another process was first: its file counts


def sync_dir(path: Path) -> None:
    """Bring the names in a directory to disk: an fsync of a file does not bring the file's own."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def new_url_token() -> str:
    """Make a token for an inbound URL: 256 bits, 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def new_api_key() -> str:
    """Make an API key: `gwk_` and 256 bits."""
    return "gwk_" + secrets.token_urlsafe(32)


def new_signing_secret() -> str:
    """Make a destination's signing secret, as Standard Webhooks writes it: `whsec_` and base64 of 32 bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def new_provider_secret() -> str:
    """Make a signing secret to give to a provider: 256 bits, base64url."""
    return secrets.token_urlsafe(32)


def new_id(prefix: str) -> str:
    """Make a public id: the prefix (`con_`) and 26 characters that sort by time (48 bits of ms, 80 random)."""
    stamp = time.time_ns() // 1_000_000
    return prefix + base32(stamp.to_bytes(6, "big") + secrets.token_bytes(10))


def digest(text: str) -> bytes:
    """Hash a token or key for looking it up: SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")
