"""What is measured: an engine of the benchmark's, and in front of it each proxy, all of them up at the same time."""

import http.client
import json
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.gateway.compiled import TREE
from benchmarks.gateway.configurations import nginx_answerer
from benchmarks.gateway.machine import Cores
from benchmarks.gateway.peers import Peer, Place, nginx_command
from benchmarks.gateway.processes import ROOT, Program, free_port, running
from benchmarks.gateway.question import MODEL, PATH, answer, chat
from tests.fakes.manager import TOKEN

START_SECONDS = 120.0
PLENTY = 10**9  # of requests and tokens a minute: the limits are counted, and never reached
DIRECT, OURS = "the engine alone", "Roundhouse"


@dataclass(frozen=True)
class Subject:
    """Something that answers. `key` is what a caller sends; `is_slow`: too slow for a thousand streams."""

    name: str
    title: str
    base_url: str
    key: str
    program: Program
    is_slow: bool = False

    def ask(self, body: bytes) -> tuple[int, bytes]:
        """As `post_chat`."""
        return post_chat(self.base_url, self.key, body)

    def answers(self) -> bool:
        """Whether the engine's answer comes through."""
        status, body = self.ask(chat())
        return status == 200 and _text(body) == _text(answer())


@dataclass(frozen=True)
class Start:
    """How a subject is started, and what it will be asked with."""

    name: str
    title: str
    command: Sequence[str]
    port: int
    cores: str
    environment: Mapping[str, str] = dataclass_field(default_factory=dict)
    key: str = "none"
    is_slow: bool = False
    tree: Path = ROOT


class Field:
    """Starts subjects on their cores, and stops them in the end."""

    def __init__(self, stack: ExitStack, cores: Cores, folder: Path) -> None:
        self._stack = stack
        self._proxy, self._load, self._both = str(cores.proxy), str(cores.load), cores.both
        self._folder = folder

    def nginx_engine(self) -> Subject:
        """An engine that answers at once, so that it is not what is measured."""
        port = free_port()
        return self._start(Start(DIRECT, DIRECT, nginx_command(nginx_answerer(self._folder, port)), port, self._load))

    def streaming_engine(self) -> Subject:
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.gateway.engine", str(port)]
        return self._start(Start(DIRECT, DIRECT, command, port, self._load))

    def peer(self, peer: Peer, engine: Subject) -> Subject:
        place = Place(free_port(), engine.base_url, self._folder, key=f"sk-{secrets.token_hex(32)}")
        cores = self._both if peer.is_on_both else self._proxy
        where = (peer.command(place), place.port, cores, peer.environment)
        return self._start(Start(peer.name, peer.title, *where, key=place.key, is_slow=peer.is_slow))

    def roundhouse(self, engine: Subject) -> Subject:
        """Ours, compiled, with a stored key that has limits of every kind; metrics and access log are always on."""
        port, admin = free_port(), secrets.token_urlsafe(32)
        for name, text in (("token", TOKEN), ("key", admin)):
            (self._folder / name).write_text(text, encoding="ascii")
        environment = {
            "ROUNDHOUSE_PROXY_PORT": str(port),
            "ROUNDHOUSE_MANAGER_URL": self._manager(engine),
            "ROUNDHOUSE_TOKEN_FILE": str(self._folder / "token"),
            "ROUNDHOUSE_KEY_FILE": str(self._folder / "key"),
            "ROUNDHOUSE_KEY_STORE": str(self._folder / "keys.sqlite3"),
        }
        command = [sys.executable, "-m", "proxy"]
        first = self._start(Start(OURS, OURS, command, port, self._proxy, environment, key=admin, tree=TREE))
        return replace(first, key=_stored_key(first))

    def _manager(self, engine: Subject) -> str:
        """The address of a manager that leases the engine at once."""
        command = [sys.executable, "-u", "-m", "benchmarks.gateway.fake_manager", engine.base_url]
        program = self._stack.enter_context(running("manager", command, self._load, self._folder, {}))
        program.wait_for(lambda: program.log.read_text().endswith("\n"), START_SECONDS)
        return program.log.read_text().strip()

    def _start(self, start: Start) -> Subject:
        program = self._stack.enter_context(
            running(start.name, start.command, start.cores, self._folder, start.environment, tree=start.tree)
        )
        base_url = f"http://127.0.0.1:{start.port}"
        subject = Subject(start.name, start.title, base_url, start.key, program, start.is_slow)
        program.wait_for(subject.answers, START_SECONDS)
        return subject


def _text(completion: bytes) -> str:
    text: str = json.loads(completion)["choices"][0]["message"]["content"]
    return text


def _stored_key(first: Subject) -> str:
    limits = {"requests_per_minute": PLENTY, "tokens_per_minute": PLENTY, "concurrent_requests": PLENTY}
    wish = {"name": "benchmark", "models": [MODEL], "limits": limits}
    status, body = _post(f"{first.base_url}/admin/keys", first.key, json.dumps(wish).encode())
    if status != 201:
        raise RuntimeError(f"no key was made: {body.decode()}")
    key: str = json.loads(body)["key"]
    return key


def post_chat(base_url: str, key: str, body: bytes) -> tuple[int, bytes]:
    """A chat request on a connection of its own -> status and answer; 0 where nobody listens."""
    return _post(base_url + PATH, key, body)


def _post(url: str, key: str, body: bytes) -> tuple[int, bytes]:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=START_SECONDS)
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    try:
        connection.request("POST", where.path, body, headers)
        answered = connection.getresponse()
        return answered.status, answered.read()
    except ConnectionError:
        return 0, b""
    finally:
        connection.close()


@contextmanager
def field(cores: Cores, folder: Path) -> Iterator[Field]:
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        yield Field(stack, cores, folder)
