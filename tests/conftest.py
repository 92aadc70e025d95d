"""What all tests share."""

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says nothing about the code: a machine that is lent to others stands still now and then.
# `timeout` in pyproject.toml bounds every test. The examples are the same every time, so that a change is judged by
# what it did; the long suite looks for new ones.
settings.register_profile("roundhouse", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
# Histories of a machine of states (`run_state_machine_as_test`): what CI has the time for, and ten times as many.
settings.register_profile("interleavings", settings.get_profile("roundhouse"), max_examples=300, stateful_step_count=50)
settings.register_profile("long", settings.get_profile("interleavings"), max_examples=3000, derandomize=False)
settings.load_profile("roundhouse")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
