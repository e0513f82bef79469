"""The tree of errors is complete as drawn."""

import re

from gateway.contract import errors
from gateway.contract.errors import GatewayError


def _below(error: type[GatewayError]) -> set[str]:
    own = {kind for kind in error.__subclasses__() if kind.__module__ == errors.__name__}
    return {kind.__name__ for kind in own}.union(*(_below(kind) for kind in own))


def test_every_error_is_exported_drawn_and_in_order() -> None:
    assert errors.__all__ == sorted(errors.__all__)
    assert set(errors.__all__) == {"GatewayError", *_below(GatewayError)}
    drawn = re.findall(r"\+-- (\w+) ", errors.__doc__ or "")
    assert sorted(drawn) == sorted(_below(GatewayError))
