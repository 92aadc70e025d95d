"""Calls to one bucket. Each has a time limit, and fails with an OSError of ours; the library's errors end here.

A server that cannot be reached is left alone for a moment: what is asked meanwhile fails at once, so that the store's
threads are not all of them waiting for it.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, Protocol

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from proxy.artifacts.bucket.place import BucketPlace
from proxy.artifacts.bucket.refusals import PastTheEnd, of_answer, of_connection
from proxy.artifacts.failures import BucketAway, BucketRefused

CONNECT_SECONDS = 5.0
REST_SECONDS = 2.0
CONNECTIONS = 32
TRIES = 2

# Neither files nor the environment say which server is asked, and with whose credentials: the settings do.
_NOWHERE: Mapping[str, tuple[None, None, str | None, None]] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class Body(Protocol):
    """An object's bytes as they come."""

    def read(self, amt: int | None = None) -> bytes: ...

    def close(self) -> None: ...


class Line:
    """Used by several threads at once. Raises FileNotFoundError, BucketError, and OSError where there is no room."""

    def __init__(self, place: BucketPlace, now: Callable[[], float] = monotonic) -> None:
        self._place = place
        self._now = now
        self._session = Session(session_vars=_NOWHERE)
        self._client: Any = None
        self._rests_until = 0.0
        self._why = ""

    def __repr__(self) -> str:
        return f"<Line to {self._place}{', which is away' if self._now() < self._rests_until else ''}>"

    def open(self) -> None:
        """Nothing is asked yet. Raises BucketRefused."""
        try:
            self._client = _client(self._session, self._place)
        except (BotoCoreError, ValueError) as error:
            raise BucketRefused(f"{self._place} cannot be asked with these settings: {error}") from error

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def ask(self, what: str, **asked: object) -> Mapping[str, Any]:
        """One operation, by its name in the library -> its answer."""
        if self._client is None:
            raise BucketAway("the store is not open")
        if self._now() < self._rests_until:
            raise BucketAway(self._why)
        try:
            answer: Mapping[str, Any] = getattr(self._client, what)(Bucket=self._place.bucket, **asked)
        except ClientError as error:
            raise of_answer(error.response, what, self._place) from error
        except BotoCoreError as error:
            raise self._lost(error) from error
        return answer

    def fetch(self, key: str, start: int, stop: int | None) -> Body | None:
        """An object's bytes from `start` to before `stop`; None where it has none from there on."""
        wanted = f"bytes={start}-{'' if stop is None else stop - 1}"
        try:
            body: Body = self.ask("get_object", Key=key, Range=wanted)["Body"]
        except PastTheEnd:
            return None
        return body

    def read(self, body: Body, length: int) -> bytes:
        """So many bytes, fewer at the end."""
        try:
            return body.read(length)
        except (BotoCoreError, OSError) as error:
            raise BucketAway(f"{self._place} has stopped in the middle: {error}") from error

    def pages(self, what: str, marks: Mapping[str, str], **asked: object) -> Iterator[Mapping[str, Any]]:
        """All answers of a listing. `marks`: what of an answer goes into the next question, and as what."""
        more: dict[str, object] = {}
        while True:
            page = self.ask(what, **asked, **more)
            yield page
            if not page.get("IsTruncated"):
                return
            more = {name: page[mark] for mark, name in marks.items()}

    def _lost(self, error: BotoCoreError) -> OSError:
        lost = of_connection(error, self._place)
        if isinstance(lost, BucketAway):
            self._why, self._rests_until = str(lost), self._now() + REST_SECONDS
        return lost


def close_quietly(body: Body | None) -> None:
    """A stream that may not be at its end."""
    if body is not None:
        with suppress(OSError):
            body.close()


def _client(session: Session, place: BucketPlace) -> Any:  # noqa: ANN401 - the library makes its classes at run time
    credentials = place.read_credentials()
    token = credentials.session_token
    return session.create_client(
        "s3",
        region_name=place.region,
        endpoint_url=place.endpoint,
        aws_access_key_id=credentials.access_key.get_secret_value(),
        aws_secret_access_key=credentials.secret_key.get_secret_value(),
        aws_session_token=token.get_secret_value() if token is not None else None,
        verify=str(place.ca_file) if place.ca_file is not None else True,
        config=Config(
            connect_timeout=min(CONNECT_SECONDS, place.timeout),
            read_timeout=place.timeout,
            retries={"total_max_attempts": TRIES, "mode": "standard"},
            proxies={},
            max_pool_connections=CONNECTIONS,
            ignore_configured_endpoint_urls=True,
            # Checksums of our own are sent with what is written, in the one form that every such server knows.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
