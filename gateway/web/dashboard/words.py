"""How things read on a page: times with their zone, sizes, counts, and text that others chose."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from gateway.pipeline.reasons import meaning
from gateway.web.api.page import marked
from gateway.web.api.pages import moment

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_KIB = 1024
_RECENT_HOURS = 20


def at(value: datetime | int | None) -> datetime | None:
    """Take a time, or epoch milliseconds, as a UTC time."""
    return value if value is None or isinstance(value, datetime) else moment(value)


def when(value: datetime | int | None, now: datetime) -> Markup | str:
    """Write an instant as `<time>`: the clock alone when it is from today, always with its zone."""
    moment = at(value)
    if moment is None:
        return "never"
    moment = moment.astimezone(UTC)
    near = abs(now - moment) < timedelta(hours=_RECENT_HOURS) and moment.date() == now.date()
    text = moment.strftime("%H:%M:%S UTC" if near else "%-d %b %Y, %H:%M UTC")
    iso = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, iso, text)


def ago(value: datetime | int | None, now: datetime) -> str:
    """Say how long ago an instant was, or in how long it will be."""
    moment = at(value)
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    return f"in {span(-seconds)}" if seconds <= -1 else "just now" if seconds < 1 else f"{span(seconds)} ago"


def coming(value: datetime | int | None, now: datetime) -> str:
    """Say in how long something is due; what was due before is done now."""
    moment = at(value)
    return "now" if moment is None or (moment - now).total_seconds() < 1 else ago(moment, now)


def upcoming(due: datetime | int | None, now: datetime, *, trying: bool, paused: bool = False) -> str:
    """Say when something that waits is tried next. While it is tried, what is due is the end of waiting for that."""
    if paused:
        return "waits until its destination is resumed"
    if trying and coming(due, now) != "now":
        return "being tried now"
    return f"next try {coming(due, now)}"


def span(seconds: float) -> str:
    """Write a length of time in its largest unit, and in the next one where that says more."""
    left = round(seconds)
    for place, (size, unit) in enumerate(_STEPS):
        if left >= size or size == 1:
            whole, rest = divmod(left, size)
            finer, name = _STEPS[place + 1] if place + 1 < len(_STEPS) else (1, "")
            more = f" {rest // finer} {name}" if name and unit in ("h", "d") and rest >= finer else ""
            return f"{whole} {unit}{more}"
    raise AssertionError("the last step is a second")


def size(count: int) -> str:
    """Write a number of bytes."""
    return f"{count} B" if count < _KIB else f"{count / _KIB:.1f} KiB"


def number(count: int) -> str:
    """Write a count with thin spaces between thousands."""
    return f"{count:,}".replace(",", "\u202f")


def counted(count: int, one: str, many: str = "") -> str:
    """Write a count and what is counted."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def share(part: int, whole: int) -> str:
    """Write a share in per cent; only all of it is 100 %, and only nothing 0 %."""
    if whole == 0:
        return "none"
    if part in (0, whole):
        return "100 %" if part else "0 %"
    return f"{min(max(100 * part / whole, 0.1), 99.9):.1f} %"


def reason(said: str | None) -> Markup:
    """Say why a call was not understood."""
    return marked(meaning(said).said)


def todo(said: str | None) -> Markup:
    """Say what to do about a call that was not understood, by its reason."""
    return marked(meaning(said).todo)


def kinds(patterns: Sequence[str]) -> str:
    """Say which event types a destination gets."""
    return ", ".join(_kind(pattern) for pattern in patterns)


def _kind(pattern: str) -> str:
    family = pattern.removesuffix(".*")
    if pattern == "*":
        return "all events that providers cause"
    if family == "gateway":
        return "the gateway's own events"
    return pattern if family == pattern else f"all {family} events"


def short(identifier: str) -> str:
    """Cut a public id so that it fits a column and is still found again."""
    prefix, _, rest = identifier.partition("_")
    return identifier if len(rest) <= 10 else f"{prefix}_{rest[:4]}…{rest[-4:]}"  # noqa: PLR2004 -- what is cut is longer


FILTERS: Mapping[str, Callable[..., object]] = {
    "span": span,
    "size": size,
    "number": number,
    "counted": counted,
    "share": share,
    "short": short,
    "kinds": kinds,
    "reason": reason,
    "todo": todo,
}
"""What templates may say without knowing what time it is."""
