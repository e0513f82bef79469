"""Every error the gateway raises on purpose, and what happens next.

GatewayError
 +-- NotUnderstood          the receipt is quarantined, visible, retried after a plugin fix
 |    +-- Contradicted      the provider, when it was asked, says otherwise: quarantined too
 +-- ProviderApiError       a provider's API did not do what was asked
 |    +-- ApiUnavailable    429, 5xx, no answer: asked again later, nothing changes
 |    +-- CredentialRefused 401, 403: the connection is broken until the operator gives another credential
 |    +-- WebhookLimit      the account has no room for one more webhook: the operator frees a place
 |    +-- ApiRefused        any other refusal: shown to the operator in the provider's words
 +-- StoreUnavailable       503 with Retry-After: the caller sends again
 +-- EgressRefused          the address may not be reached: the attempt fails and says which address
 +-- ConfigurationError     the gateway does not start: the message names the setting
 +-- NotGenuine             a consumer's: the delivery is not the gateway's: answer 401 and do nothing
"""

__all__ = [
    "ApiRefused",
    "ApiUnavailable",
    "ConfigurationError",
    "Contradicted",
    "CredentialRefused",
    "EgressRefused",
    "GatewayError",
    "NotGenuine",
    "NotUnderstood",
    "ProviderApiError",
    "StoreUnavailable",
    "WebhookLimit",
]


class GatewayError(Exception):
    """Be the root of what the gateway raises on purpose."""


class NotUnderstood(GatewayError):
    """Say why an authentic body is not what its event word promises.

    The text becomes the quarantine's `reason`: name the JSON path, never a value from the body.
    """


class Contradicted(NotUnderstood):
    """Say in what the provider's own answer differs from the call. Names no value of either."""


class ProviderApiError(GatewayError):
    """Carry a provider's refusal: `status` is the HTTP status, 0 when no answer came.

    `reached` False: the request certainly never got there, so nothing can have been done.
    """

    def __init__(self, words: str, *, status: int = 0, retry_after: float | None = None, reached: bool = True) -> None:
        super().__init__(words)
        self.words = words
        self.status = status
        self.retry_after = retry_after
        self.reached = reached


class ApiUnavailable(ProviderApiError):
    """Say that the provider's API cannot answer now; `retry_after` in seconds when it said so."""


class CredentialRefused(ProviderApiError):
    """Say that the provider does not accept the credential."""


class WebhookLimit(ProviderApiError):
    """Say that the provider's account has as many webhooks as it may have."""


class ApiRefused(ProviderApiError):
    """Say that the provider understood the request and declined it."""


class StoreUnavailable(GatewayError):
    """Say that nothing could be written durably; `retry_after` in seconds."""

    def __init__(self, reason: str, *, retry_after: int = 5) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class EgressRefused(GatewayError):
    """Say which address may not be reached, and which setting would allow it."""


class ConfigurationError(GatewayError):
    """Name the setting to change, and how."""


class NotGenuine(GatewayError):
    """Say to a consumer why a delivery is not to be believed."""
