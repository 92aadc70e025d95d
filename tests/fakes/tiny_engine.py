"""A program that keeps the part of the engine contract that a manager sees: health, metrics, one completion, sleep.

python -m tests.fakes.tiny_engine --host 127.0.0.1 --port 0 [--fail WORDS] [--deaf] [--insomnia] [--oversleep]

A completion of the prompt "stick" never ends.
"""

import argparse
import json
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class State:
    """What the engine is doing. `taken` is the memory that it was told to eat."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.asleep = False
        self.running = 0
        self.tokens = 0
        self.taken = b""
        self.eat()

    def eat(self) -> None:
        self.taken = b"x" * self.options.eat

    @property
    def metrics(self) -> str:
        return f'running{{model="m"}} {self.running}\nwaiting{{model="m"}} 0\ntokens{{model="m"}} {self.tokens}\n'


class Server(ThreadingHTTPServer):
    daemon_threads = True
    state: State


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        state = self.server.state
        match self.path:
            case "/health":
                self._answer(200, {})
            case "/metrics":
                self._send(200, state.metrics.encode())
            case "/is_sleeping":
                self._answer(200, {"is_sleeping": state.asleep})
            case _:
                self._answer(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        match self.path.partition("?")[0]:
            case "/sleep":
                self._sleep()
            case "/wake_up":
                self._wake()
            case "/reload":
                self._answer(200 if json.loads(body) else 400, {})
            case _:
                self._complete(body)

    def _sleep(self) -> None:
        state = self.server.state
        if not state.options.insomnia:
            state.asleep, state.taken = True, b""
        self._answer(200, {})

    def _wake(self) -> None:
        state = self.server.state
        if state.options.oversleep:
            self._answer(500, {"error": "out of memory"})
            return
        state.eat()
        state.asleep = False
        self._answer(200, {})

    def _complete(self, body: bytes) -> None:
        state = self.server.state
        if state.asleep:
            self._answer(503, {"error": "asleep"})
            return
        state.running += 1
        if json.loads(body).get("prompt") == "stick":
            threading.Event().wait()
        state.running -= 1
        state.tokens += 1
        self._answer(200, {"choices": [{"text": "b"}]})

    def _answer(self, status: int, document: dict[str, object]) -> None:
        self._send(status, json.dumps(document).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--fail")
    parser.add_argument("--deaf", action="store_true", help="ignore SIGTERM")
    parser.add_argument("--pause", type=float, default=0, help="seconds before it serves")
    parser.add_argument("--eat", type=int, default=0, help="bytes of memory to take before it serves")
    parser.add_argument("--insomnia", action="store_true", help="say yes to sleep and stay awake")
    parser.add_argument("--oversleep", action="store_true", help="refuse to wake up")
    options = parser.parse_args()
    if options.fail:
        print(options.fail, file=sys.stderr)
        return 3
    if options.deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(options.pause)
    server = Server((options.host, options.port), Handler)
    server.state = State(options)
    print("serving", *([len(server.state.taken)] if options.eat else []), flush=True)
    threading.Thread(target=server.serve_forever).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
