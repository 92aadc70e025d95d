"""What all tests share."""

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says nothing about the code: a machine that is lent to others stands still now and then.
# `timeout` in pyproject.toml bounds every test.
settings.register_profile("roundhouse", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("roundhouse")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
