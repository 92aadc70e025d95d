"""A proxy on a real socket that says what a test wrote down."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from contract.catalogue import ModelType
from contract.states import DeviceList, DeviceStatus, ModelList, ModelState, ModelStatus


def status_of(name: str, state: ModelState, **fields: object) -> ModelStatus:
    base = {"name": name, "type": (ModelType.TEXT,), "engine": "vllm", "container": f"vllm-{name}", "state": state}
    return ModelStatus.model_validate({**base, **fields})


def event_of(status: ModelStatus) -> str:
    return f"event: model\ndata: {status.model_dump_json()}\n\n"


def snapshot_of(*statuses: ModelStatus) -> str:
    return f"event: models\ndata: {ModelList(models=statuses).model_dump_json()}\n\n"


@dataclass(frozen=True)
class Answer:
    """One answer; its parts are sent one after the other, the body ends with the connection."""

    parts: tuple[str, ...]
    status: int = 200
    kind: str = "application/json"


@dataclass
class Script:
    """Answers by "METHOD /path", and what was asked."""

    answers: dict[str, Answer]
    asked: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    bodies: list[object] = field(default_factory=list)
    base_url: str = ""


def models_answer(*statuses: ModelStatus) -> Answer:
    return Answer((ModelList(models=statuses).model_dump_json(),))


def devices_answer(*devices: DeviceStatus) -> Answer:
    return Answer((DeviceList(devices=devices).model_dump_json(),))


def error_answer(status: int, code: str, message: str) -> Answer:
    error = {"message": message, "type": "x", "param": None, "code": code, "origin": "manager"}
    return Answer((json.dumps({"error": error}),), status)


@contextmanager
def scripted_proxy(answers: dict[str, Answer]) -> Iterator[Script]:
    """Serves the script on a port of loopback until the block ends."""
    script = Script(answers)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Tests' output stays clean."""

        def _answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            script.asked.append(f"{self.command} {self.path}")
            script.keys.append(self.headers.get("authorization"))
            script.bodies.append(json.loads(self.rfile.read(length)) if length else None)
            missing = error_answer(404, "not_found", "no such path in this script")
            answer = script.answers.get(f"{self.command} {self.path.partition('?')[0]}", missing)
            self.send_response(answer.status)
            self.send_header("content-type", answer.kind)
            self.end_headers()
            for part in answer.parts:
                self.wfile.write(part.encode())
                self.wfile.flush()

        do_GET = _answer
        do_POST = _answer
        do_DELETE = _answer

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    script.base_url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
