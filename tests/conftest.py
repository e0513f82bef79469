"""What tests of several folders share."""

import pytest

pytest.register_assert_rewrite("gateway.contract.testing")
