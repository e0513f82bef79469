"""What tests of several folders share."""

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("gateway.contract.testing")

settings.register_profile("gateway", deadline=None)  # a busy machine is no finding
settings.load_profile("gateway")
