"""What all tests share."""

from collections.abc import Callable, Iterator
from functools import partial
from ssl import SSLContext
from typing import Any

import httpx
import httpx2
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


@pytest.fixture(scope="session", autouse=True)
def certificates_are_read_once() -> Iterator[None]:
    """Thousands of clients would each read the machine's certificates, for 30 ms of a processor; none needs them."""
    with pytest.MonkeyPatch.context() as patch:
        for library in (httpx, httpx2):
            made = partial(_context, library.create_ssl_context(), library.create_ssl_context)
            patch.setattr(f"{library.__name__}._transports.default.create_ssl_context", made)
        yield


def _context(usual: SSLContext, make: Callable[..., SSLContext], **wanted: Any) -> SSLContext:  # noqa: ANN401
    """The usual one, for a client that wants no other."""
    return usual if wanted["verify"] is True and wanted["cert"] is None else make(**wanted)
