"""What every call of the API states about itself, beside its signature: read by the guard and by the documentation."""

from typing import Any

from gateway.web.auth import Scope


def call(scope: Scope, *statuses: int) -> dict[str, Any]:
    """State the scope a key must have, and the statuses of this call besides those that all of its kind have."""
    return {"opt": {"scope": scope, "statuses": statuses}}
