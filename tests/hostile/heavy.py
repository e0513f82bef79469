"""Bodies that are costly to read, by provider: each is a recipe for a body of about so many bytes."""

from collections.abc import Callable, Mapping
from functools import partial

Recipe = Callable[[int], bytes]

_MEETING = (
    b'{"event":"meetingScheduled","uuid":"u","data":{"uuid":"b","scheduled_at":"2026-03-02T09:30:00+00:00",'
    b'"end_date":"2026-03-02T10:00:00+00:00",'
)
_APPOINTMENT = (
    b'{"webhookType":"booking_created","id":"b","start":"2026-03-02T09:30:00+01:00","end":"2026-03-02T10:00:00+01:00",'
)
_FORM = b'{"webhookType":"form_submission","formId":"f","submittedAt":"2026-03-02T09:30:00Z",'
_CONVERSATION = b'{"type":"conversation.transcribed","data":{"id":"c",'
_MISFITS = (
    b'"location":5,"isCancelled":5,"userType":5,"companyId":6,"meetingTypeId":7,"cancel":{"reason":5,"cancelledBy":6},'
    b'"meetingInfo":{"name":5,"channel":6,"meetingLink":7},"meetingType":{"id":5,"slug":6,"meetingInfo":{"name":1}},'
)


def _filled(before: bytes, one: bytes, after: bytes, size: int, between: bytes = b",") -> bytes:
    """Repeat one thing until the body is of that size."""
    count = max((size - len(before) - len(after)) // (len(one) + len(between)), 1)
    return before + between.join([one] * count) + after


def _keyed(before: bytes, value: bytes, after: bytes, size: int) -> bytes:
    """Give an object as many different keys as fit."""
    count = max((size - len(before) - len(after)) // (len(value) + 9), 1)
    return before + b",".join(b'"%06x":%b' % (number, value) for number in range(count)) + after


def _tokens(size: int) -> bytes:
    """Secrets that each stand in the whole rest of the body, up to their last character."""
    secrets = b",".join(b'"secret":"%b"' % (b"a" * 1000 + b"b" + b"a" * (900 + number)) for number in range(64))
    return _APPOINTMENT + secrets + b',"notes":"' + b"a" * max(size - len(secrets) - 200, 0) + b'"}'


def _deep(size: int) -> bytes:
    return b'{"type":"a.b","x":' + b"[" * (size // 2) + b"]" * (size // 2) + b"}"


_list = partial(partial, _filled)
_object = partial(partial, _keyed)


def _text(before: bytes, piece: bytes, after: bytes) -> Recipe:
    return lambda size: _filled(before, piece, after, size, b"")


HEAVY: Mapping[str, Mapping[str, Recipe]] = {
    "harmonizely": {
        "answers that say nothing": _list(_MEETING + b'"answers":[', b"{}", b"]}}"),
        "answers of lists": _list(_MEETING + b'"answers":[', b'{"value":["a"]}', b"]}}"),
        "an answer with many values": _list(_MEETING + b'"answers":[{"value":[', b"1", b"]}]}}"),
        "an answer of control characters": _text(_MEETING + b'"answers":[{"value":"', b"\\u0000", b'"}]}}'),
        "participants that say nothing": _list(_MEETING + b'"participants":[', b"{}", b"]}}"),
        "participants in no zone": _list(_MEETING + b'"participants":[', b'{"timezone":"x"}', b"]}}"),
        "details of empty lists": _list(_MEETING + b'"details":[', b"[]", b"]}}"),
        "details of empty objects": _list(_MEETING + b'"payment":[', b"{}", b"]}}"),
        "details of many keys": _object(_MEETING + b'"cancellation":{', b"0", b"}}}"),
        "details of floats": _list(_MEETING + b'"details":[', b"1e9", b"]}}"),
        "details of digits": _text(_MEETING + b'"details":', b"9", b"}}"),
        "a fraction of many digits": _text(_MEETING + b'"details":1.', b"9", b"}}"),
        "a price of many digits": _text(_MEETING + b'"payment":{"amount":"', b"1", b'.0"}}}'),
        "an unknown word and many keys": _object(b'{"event":"zzz","data":{', b"0", b"}}"),
        "one misfit among many lists": _list(_MEETING + b'"notes":5,"details":[', b"[]", b"]}}"),
        "misfits without end": _list(_MEETING + b'"participants":[', b'{"locale":5}', b"]}}"),
        "one key many times": _list(_MEETING, b'"notes":"x"', b"}}"),
        "a host of many labels": _text(_MEETING + b'"location":"https://', b"a.", b'"}}'),
        "a link of many users": _text(_MEETING + b'"location":"https://', b"a@", b'"}}'),
        "a link of brackets": _text(_MEETING + b'"location":"https://', b"[", b'"}}'),
        "a number to call without end": _text(_MEETING + b'"location":"', b"1 ", b'"}}'),
        "a time without end": _text(_MEETING + b'"canceled_at":"', b"2", b'"}}'),
        "keys that look like complaints": _text(_MEETING + b'"notes":5,"', b"' - at `$.a`", b'":5}}'),
    },
    "meetergo": {
        "attendees that say nothing": _list(_APPOINTMENT + b'"attendees":[', b"{}", b"]}"),
        "attendees that are numbers": _list(_APPOINTMENT + b'"attendees":[', b"0", b"]}"),
        "attendees with ids alone": _list(_APPOINTMENT + b'"attendees":[', b'{"id":1}', b"]}"),
        "hosts that are texts": _list(_APPOINTMENT + b'"hosts":[', b'"@"', b"]}"),
        "metadata of empty lists": _list(_APPOINTMENT + b'"meetingType":{"metadata":{"a":[', b"[]", b"]}}}"),
        "metadata of many keys": _object(_APPOINTMENT + b'"meetingType":{"metadata":{', b"0", b"}}}"),
        "empty lists": _list(_APPOINTMENT + b'"x":[', b"[]", b"]}"),
        "many keys": _object(_APPOINTMENT, b"0", b"}"),
        "an unknown word and empty objects": _list(b'{"webhookType":"zz","x":[', b"{}", b"]}"),
        "an employee of many keys": _object(b'{"webhookType":"new_employee","id":"x",', b"0", b"}"),
        "a form of many answers": _object(_FORM + b'"answers":{', b"[0]", b"}}"),
        "a form of many numbers": _list(_FORM + b'"answers":[', b"0", b"]}"),
        "a form of answers that say nothing": _list(_FORM + b'"answers":[', b"{}", b"]}"),
        "many secrets": _list(_APPOINTMENT, b'"secret":"12345678"', b"}"),
        "secrets that nearly match everywhere": _tokens,
        "secrets without values": _list(_APPOINTMENT, b'"secret"    ', b"}"),
        "one misfit among many lists": _list(_APPOINTMENT + b'"location":5,"attendees":[', b"[]", b"]}"),
        "many misfits among many lists": _list(_APPOINTMENT + _MISFITS + b'"x":[', b"[]", b"]}"),
        "an id of digits": _text(_APPOINTMENT + b'"attendees":[{"id":', b"9", b"}]}"),
        "appointments within appointments": _text(
            b'{"webhookType":"booking_rescheduled","id":"x"', b',"rescheduledAppointment":{"id":"x"', b"}"
        ),
        "a place without end": _text(_APPOINTMENT + b'"location":"', b"1", b'"}'),
        "a host of many labels": _text(_APPOINTMENT + b'"meetingInfo":{"meetingLink":"https://', b"a.", b'"}}'),
    },
    "harmony": {
        "participants that say nothing": _list(_CONVERSATION + b'"participants":[', b"{}", b"]}}"),
        "participants that are texts": _list(_CONVERSATION + b'"participants":[', b'"a"', b"]}}"),
        "many keys": _object(_CONVERSATION, b"0", b"}}"),
        "many keys under the event": _object(b'{"type":"contact.created","event":{', b"0", b"}}"),
        "empty lists": _list(_CONVERSATION + b'"x":[', b"[]", b"]}}"),
        "a name of many parts": _text(b'{"type":"', b"a.", b'"}'),
        "a name without end": _text(b'{"type":"a.', b"a", b'"}'),
        "digits": _text(b'{"type":"a.b","x":', b"9", b"}"),
        "lists within lists": _deep,
    },
}
