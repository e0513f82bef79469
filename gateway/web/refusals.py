"""What a request may be at most, and what is said before the door closes on one that is more, or wrong."""

import json
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

MAX_URL = 2048
MAX_FIELDS = 100
MAX_FIELD_BYTES = 16 * 1024

_ANSWERS = {
    400: ("Bad Request", "The request is not well-formed HTTP/1.1."),
    408: ("Request Timeout", "The request took too long to arrive."),
    413: ("Content Too Large", "The request is larger than any body may be."),
    414: ("URI Too Long", f"A URL has at most {MAX_URL} bytes."),
    431: (
        "Request Header Fields Too Large",
        f"At most {MAX_FIELDS} header fields, and {MAX_FIELD_BYTES} bytes of them.",
    ),
    503: ("Service Unavailable", "Too much is arriving at once. Send it again."),
}


def response(status: int) -> bytes:
    """Write the whole answer to a request whose connection is closed after it."""
    title, detail = _ANSWERS[status]
    body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail}).encode()
    again = b"retry-after: 5\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else b""
    head = b"content-type: application/problem+json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    return STATUS_LINE[status] + again + head + body
