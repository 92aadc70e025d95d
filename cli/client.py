"""What the CLI asks of the proxy, over plain HTTP. Every failure becomes a `Failure` with the proxy's own words."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from cli.failures import Failure
from contract.keys import KeyCreated, KeyInfo, KeyList, KeyWish
from contract.states import DeviceList, DeviceStatus, ModelList, ModelStatus

ANSWER_SECONDS = 30.0
SILENCE_SECONDS = 60.0  # an open event stream has a comment line every few seconds

Answer = TypeVar("Answer", DeviceList, KeyCreated, KeyInfo, KeyList, ModelList, ModelStatus)


@dataclass(frozen=True)
class ServerEvent:
    """One server-sent event. A comment line is one whose name is `comment`."""

    name: str
    data: str


class Client:
    """The proxy at one address, with one key or none."""

    def __init__(self, base_url: str, key: str | None) -> None:
        self.base_url = base_url
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=ANSWER_SECONDS, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def models(self) -> tuple[ModelStatus, ...]:
        return _parsed(ModelList, self._ask("GET", "/admin/models")).models

    def devices(self) -> tuple[DeviceStatus, ...]:
        return _parsed(DeviceList, self._ask("GET", "/admin/devices")).devices

    def load(self, name: str) -> ModelStatus:
        """Starts a load, which goes on by itself; the state right after."""
        return _parsed(ModelStatus, self._ask("POST", f"/admin/models/{name}/load"))

    def unload(self, name: str) -> ModelStatus:
        """Starts a drain and a stop, which go on by themselves; the state right after."""
        return _parsed(ModelStatus, self._ask("POST", f"/admin/models/{name}/unload"))

    def keys(self) -> tuple[KeyInfo, ...]:
        return _parsed(KeyList, self._ask("GET", "/admin/keys")).keys

    def create_key(self, wish: KeyWish) -> KeyCreated:
        """A new key; its text is in this answer and nowhere else."""
        return _parsed(KeyCreated, self._ask("POST", "/admin/keys", wish.model_dump(mode="json")))

    def revoke_key(self, key_id: str) -> KeyInfo:
        return _parsed(KeyInfo, self._ask("DELETE", f"/admin/keys/{quote(key_id, safe='')}"))

    def logs(self, name: str, lines: int, follow: bool) -> Iterator[str]:
        """The engine's log as it comes; with `follow` until the engine or the caller ends."""
        query = {"lines": str(lines), "follow": "true" if follow else "false"}
        with self._stream("GET", f"/admin/models/{name}/logs", params=query) as answer:
            yield from answer.iter_text()

    def changes(self, name: str) -> Iterator[tuple[ModelStatus, bool]]:
        """The model's status now and after every change, and again, marked as no news, at every sign of life."""
        last: ModelStatus | None = None
        timeout = httpx.Timeout(ANSWER_SECONDS, read=SILENCE_SECONDS)
        with self._stream("GET", "/admin/events", timeout=timeout) as answer:
            for event in server_events(answer.iter_lines()):
                news = [status for status in _statuses(event) if status.name == name]
                if news:
                    last = news[-1]
                if last and (news or event.name == "comment"):
                    yield last, bool(news)

    def chat(self, body: dict[str, object], deadline: float) -> Iterator[ServerEvent]:
        """A streamed chat completion's events, comments of its waiting included."""
        return self._generate("/v1/chat/completions", body, deadline)

    def draw(self, body: dict[str, object], deadline: float) -> Iterator[ServerEvent]:
        """A streamed picture's events, its steps and the comments of its waiting included."""
        return self._generate("/v1/images/generations", {**body, "progress": True}, deadline)

    def _generate(self, path: str, body: dict[str, object], deadline: float) -> Iterator[ServerEvent]:
        timeout = httpx.Timeout(ANSWER_SECONDS, read=deadline)
        with self._stream("POST", path, json={**body, "stream": True}, timeout=timeout) as answer:
            yield from server_events(answer.iter_lines())

    def _ask(self, method: str, path: str, body: dict[str, object] | None = None) -> bytes:
        with self._mapped():
            answer = self._http.request(method, path, json=body)
        _raise_for_status(answer)
        return answer.content

    @contextmanager
    def _stream(self, method: str, path: str, **options: object) -> Iterator[httpx.Response]:
        with self._mapped(), self._http.stream(method, path, **options) as answer:  # type: ignore[arg-type]
            if answer.is_error:
                answer.read()
            _raise_for_status(answer)
            yield answer

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            remedy = "Start it with ./setup.sh up, or say where it is: ROUNDHOUSE_URL=http://HOST:PORT"
            raise Failure(f"nothing answers at {self.base_url}", remedy) from error
        except httpx.TransportError as error:
            remedy = "Look into the logs of the proxy, then try again."
            raise Failure(f"{self.base_url} broke off: {type(error).__name__} {error}".rstrip(), remedy) from error


def _parsed(kind: type[Answer], body: bytes) -> Answer:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        remedy = "Is ROUNDHOUSE_URL the address of a Roundhouse proxy, and of the same version as this command?"
        raise Failure("the answer is not one of Roundhouse's", remedy) from error


def server_events(lines: Iterator[str]) -> Iterator[ServerEvent]:
    """Lines of a `text/event-stream` -> its events, and its comments as they come."""
    name, data = "message", list[str]()
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line and data:
            yield ServerEvent(name, "\n".join(data))
        if not line:
            name, data = "message", []
        elif not field:
            yield ServerEvent("comment", value)
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)


def _statuses(event: ServerEvent) -> tuple[ModelStatus, ...]:
    match event.name:
        case "models":
            return ModelList.model_validate_json(event.data).models
        case "model":
            return (ModelStatus.model_validate_json(event.data),)
        case _:
            return ()


def _raise_for_status(answer: httpx.Response) -> None:
    if not answer.is_error:
        return
    message, code = _told(answer)
    remedies = {401: "Give the API key: ROUNDHOUSE_API_KEY=..., or --key-file FILE."}
    remedy = remedies.get(answer.status_code, f"The proxy answered {answer.status_code} {code}.".replace(" .", "."))
    raise Failure(message, remedy)


def _told(answer: httpx.Response) -> tuple[str, str]:
    """Message and code of an OpenAI error object, or what is there instead of one."""
    try:
        error = json.loads(answer.content)["error"]
        return str(error["message"]), str(error.get("code") or "")
    except (ValueError, KeyError, TypeError):
        return f"{answer.url} answered {answer.status_code}: {answer.text[:200]}", ""
