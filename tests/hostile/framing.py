"""Requests that are framed wrongly, and odd ones that are framed well: name, bytes, and the answer that is due.

In each request stand `{path}`, the path of a URL that takes signed calls, and `{body}`, a call of `{length}` bytes
whose signature (`{proof}`) is among the fields. After each request another good one follows in the same breath: where
the answer is a refusal it must not be heard, or a proxy in front could be made to smuggle it.
"""

from collections.abc import Mapping

HEAD = b"POST {path} HTTP/1.1\r\nhost: x\r\n{proof}"
LENGTH = b"content-length: {length}\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n"
CHUNKS = b"{hex}\r\n{body}\r\n0\r\n\r\n"
GOOD = HEAD + LENGTH + b"\r\n{body}"


def _coded(value: bytes, *fields: bytes) -> bytes:
    return HEAD + b"transfer-encoding:" + value + b"\r\n" + b"".join(fields) + b"\r\n" + CHUNKS


def _long(value: bytes) -> bytes:
    return HEAD + b"content-length:" + value + b"\r\n\r\n{body}"


def _field(line: bytes) -> bytes:
    return HEAD + LENGTH + line + b"\r\n\r\n{body}"


def _line(line: bytes) -> bytes:
    return GOOD.replace(b"POST {path} HTTP/1.1", line, 1)


REFUSED: Mapping[str, tuple[int, bytes]] = {
    # lengths
    "a length and chunks": (400, _coded(b" chunked", LENGTH)),
    "chunks and a length": (400, HEAD + LENGTH + b"transfer-encoding: chunked\r\n\r\n" + CHUNKS),
    "two lengths": (400, HEAD + LENGTH + b"content-length: 3\r\n\r\n{body}"),
    "one length twice": (400, HEAD + LENGTH + LENGTH + b"\r\n{body}"),
    "a list of lengths": (400, _long(b" {length}, {length}")),
    "a negative length": (400, _long(b" -1")),
    "a positive length": (400, _long(b" +{length}")),
    "a length in hex": (400, _long(b" 0x{hex}")),
    "a length in words": (400, _long(b" ten")),
    "a length in other digits": (400, _long(" ١٢".encode())),
    "a length with a fraction": (400, _long(b" {length}.0")),
    "a length with an exponent": (400, _long(b" 1e3")),
    "a length with an underscore": (400, _long(b" 1_0")),
    "a length in two parts": (400, _long(b" {length} 0")),
    "an empty length": (400, _long(b"")),
    "a length that wraps around": (400, _long(b" {wrapped}")),
    "a length of forty digits": (400, _long(b" " + b"9" * 40)),
    "a length beyond the cap": (413, _long(b" 99999999999")),
    # codings
    "a coding that is not chunked": (400, _coded(b" xchunked")),
    "a coding in quotes": (400, _coded(b' "chunked"')),
    "a coding behind a control character": (400, _coded(b" \x0bchunked")),
    "an empty coding": (400, _coded(b"")),
    "an empty coding and a length": (400, HEAD + LENGTH + b"transfer-encoding:\r\n\r\n{body}"),
    "two codings": (400, _coded(b" gzip, chunked")),
    "two codings, chunked first": (400, _coded(b" chunked, gzip")),
    "chunked twice": (400, _coded(b" chunked", b"transfer-encoding: chunked\r\n")),
    "identity and chunked": (400, _coded(b" identity, chunked")),
    "identity alone": (400, HEAD + b"transfer-encoding: identity\r\n\r\n{body}"),
    "identity and a length": (400, HEAD + LENGTH + b"transfer-encoding: identity\r\n\r\n{body}"),
    "a comma after chunked": (400, _coded(b" chunked,")),
    "a coding on a folded line": (400, _coded(b"\r\n chunked")),
    "a space before the coding's colon": (400, HEAD + b"transfer-encoding : chunked\r\n\r\n" + CHUNKS),
    "chunks in HTTP/1.0": (400, _coded(b" chunked").replace(b"HTTP/1.1", b"HTTP/1.0")),
    # chunks
    "a chunk without a size": (400, CHUNKED + b"\r\n\r\n{body}"),
    "a chunk of no number": (400, CHUNKED + b"\r\nzz\r\n{body}\r\n0\r\n\r\n"),
    "a chunk size in C": (400, CHUNKED + b"\r\n0x" + CHUNKS),
    "a chunk size with a sign": (400, CHUNKED + b"\r\n+" + CHUNKS),
    "a chunk size below nothing": (400, CHUNKED + b"\r\n-" + CHUNKS),
    "a chunk size and a space": (400, CHUNKED + b"\r\n{hex} \r\n{body}\r\n0\r\n\r\n"),
    "a chunk size that wraps around": (400, CHUNKED + b"\r\n1ffffffffffffffff\r\n{body}\r\n0\r\n\r\n"),
    "chunks between bare line feeds": (400, CHUNKED + b"\r\n{hex}\n{body}\n0\n\n"),
    "a line feed in a chunk's extension": (400, CHUNKED + b"\r\n{hex};a\nb\r\n{body}\r\n0\r\n\r\n"),
    "a chunk longer than it says": (400, CHUNKED + b"\r\n2\r\n{body}\r\n0\r\n\r\n"),
    "a chunk without an end": (400, CHUNKED + b"\r\n{hex}\r\n{body}0\r\n\r\n"),
    "a length after the chunks": (400, CHUNKED + b"\r\n{hex}\r\n{body}\r\n0\r\ncontent-length: 5\r\n\r\n"),
    "a trailer that is no field": (400, CHUNKED + b"\r\n{hex}\r\n{body}\r\n0\r\nx y\r\n\r\n"),
    "trailers without end": (413, CHUNKED + b"\r\n0\r\n" + b"x-a: y\r\n" * 1_100_000),
    "chunks with long extensions": (413, CHUNKED + b"\r\n" + (b"1;" + b"x" * 60 + b"\r\na\r\n") * 140_000),
    # fields
    "bare line feeds": (400, GOOD.replace(b"\r\n", b"\n")),
    "bare carriage returns": (400, GOOD.replace(b"\r\n", b"\r")),
    "a carriage return in a value": (400, _field(b"x: a\rb")),
    "a line feed in a value": (400, _field(b"x: a\nb")),
    "a folded line": (400, _field(b"x: a\r\n b")),
    "a space before the first field": (400, GOOD.replace(b"host", b" host")),
    "a NUL in a value": (400, _field(b"x: a\x00b")),
    "a NUL in a name": (400, _field(b"x\x00: a")),
    "control characters in a value": (400, _field(b"x: \x01\x7f")),
    "a name that is not ASCII": (400, _field(b"\xe4: x")),
    "a field without a name": (400, _field(b": x")),
    "a field without a colon": (400, _field(b"xyz")),
    "a space in a name": (400, _field(b"x y: z")),
    "a space before the colon": (400, _field(b"x : z")),
    "brackets in a name": (400, _field(b"x(y): z")),
    "no host": (400, GOOD.replace(b"host: x\r\n", b"")),
    "two hosts": (400, _field(b"host: y")),
    "101 fields": (431, _field(b"\r\n".join(b"x-%d: y" % n for n in range(101)))),
    "17 KiB of fields": (431, _field(b"x: " + b"y" * 17_000)),
    "fields without end": (431, HEAD + b"x: " + b"y" * 200_000),
    # the request line
    "a URL of 2,049 bytes": (414, _line(b"POST {path}?" + b"x" * 2040 + b" HTTP/1.1")),
    "a URL without end": (414, b"POST /" + b"x" * 200_000),
    "a URL with a byte that is not ASCII": (400, _line(b"POST {path}\xff HTTP/1.1")),
    "a URL with a NUL": (400, _line(b"POST {path}\x00 HTTP/1.1")),
    "a URL with a space": (400, _line(b"POST {path} x HTTP/1.1")),
    "a URL of half an address": (400, _line(b"POST http://[::1{path} HTTP/1.1")),
    "a URL with an impossible port": (400, _line(b"POST http://x:99999999{path} HTTP/1.1")),
    "a URL without a path": (400, _line(b"POST http://x.example HTTP/1.1")),
    "a method in small letters": (400, _line(b"post {path} HTTP/1.1")),
    "a method nobody knows": (400, _line(b"STORE {path} HTTP/1.1")),
    "a method without end": (400, b"P" * 200_000),
    "a tab after the method": (400, _line(b"POST\t{path} HTTP/1.1")),
    "a tunnel": (400, b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n"),
    "no version": (400, _line(b"POST {path}")),
    "version 0.9": (400, _line(b"POST {path} HTTP/0.9")),
    "version 1.2": (400, _line(b"POST {path} HTTP/1.2")),
    "version 2.0": (400, _line(b"POST {path} HTTP/2.0")),
    "a version in small letters": (400, _line(b"POST {path} http/1.1")),
    # no HTTP
    "HTTP/2 without asking": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500),
    "another protocol": (400, b"SSH-2.0-x\r\n"),
    "a question": (400, b"hello, is anybody there?\r\n\r\n"),
    "NULs": (400, b"\x00" * 4096),
    "junk before a request": (400, b"\r\n \r\n" + GOOD),
}
"""Each is refused with this status and the connection closed."""

ANSWERED: Mapping[str, tuple[str, bytes]] = {
    "a good one": ("accepted", GOOD),
    "chunks": ("accepted", CHUNKED + b"\r\n" + CHUNKS),
    "chunks in capitals": ("accepted", _coded(b"\tCHUNKED ")),
    "chunks with extensions": ("accepted", CHUNKED + b"\r\n{hex};a=b;c\r\n{body}\r\n0;x\r\n\r\n"),
    "a chunk size with noughts": ("accepted", CHUNKED + b"\r\n" + b"0" * 100 + CHUNKS),
    "a trailer": ("accepted", CHUNKED + b"\r\n{hex}\r\n{body}\r\n0\r\nx: y\r\n\r\n"),
    "a length with noughts": ("accepted", _long(b" 000{length}")),
    "a length between spaces": ("accepted", _long(b" \t {length} \t")),
    "100 fields": ("accepted", _field(b"\r\n".join(b"x-%d: y" % n for n in range(96)))),
    "a value that is not ASCII": ("accepted", _field(b"x: \xff\xe4")),
    "an unusual host": ("accepted", GOOD.replace(b"host: x", b"host: evil.example/@:99")),
    "a whole URL": ("accepted", _line(b"POST http://evil.example{path} HTTP/1.1")),
    "a query": ("accepted", _line(b"POST {path}?a=%zz HTTP/1.1")),
    "line breaks before it": ("accepted", b"\r\n\r\n" + GOOD),
    "a go-ahead that is asked for": ("accepted", _field(b"expect: 100-continue")),
    "another protocol on offer": (
        "accepted",
        _field(b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk"),
    ),
    "chunks and another protocol on offer": (
        "accepted",
        _coded(b" chunked", b"connection: upgrade\r\nupgrade: h2c\r\n"),
    ),
    "a websocket on offer": ("accepted", _field(b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x")),
    "fields that the connection names": ("accepted", _field(b"connection: content-length, webhook-signature")),
    "a field that looks like a coding": ("accepted", _field(b"transfer_encoding: chunked")),
    "a body over the cap without a length": (
        "413",
        CHUNKED + b"\r\n" + (b"ffff\r\n" + b"x" * 65_535 + b"\r\n") * 17 + b"0\r\n\r\n",
    ),
    "a body over the cap": ("413", HEAD + b"content-length: 1048577\r\n\r\n" + b"x" * 1_048_577),
    "an encoding": ("415", _field(b"content-encoding: gzip")),
    "one encoding of two": ("415", _field(b"content-encoding: identity\r\ncontent-encoding: br")),
    "no encoding, by name": ("accepted", _field(b"content-encoding: Identity")),
    "a path that goes round": ("404", _line(b"POST /x/..{path} HTTP/1.1")),
    "a path with two slashes": ("404", _line(b"POST /{path} HTTP/1.1")),
    "a path with a slash behind": ("404", _line(b"POST {path}/ HTTP/1.1")),
    "a path with a parameter": ("404", _line(b"POST {path};x HTTP/1.1")),
    "a path in escapes": ("404", _line(b"POST {escaped} HTTP/1.1")),
    "a path with a broken escape": ("404", _line(b"POST {path}%zz HTTP/1.1")),
    "a star": ("404", _line(b"POST * HTTP/1.1")),
    "a probe with a body": ("200", _line(b"GET {path} HTTP/1.1")),
    "a probe of the head with a body": ("200", _line(b"HEAD {path} HTTP/1.1")),
    "another method": ("405", _line(b"PUT {path} HTTP/1.1")),
}
"""Each is answered so, and the good one behind it is accepted."""
