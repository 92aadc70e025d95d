"""A program that keeps the part of the engine contract that a manager sees: health, one completion, an end.

python -m tests.fakes.tiny_engine --host 127.0.0.1 --port 0 [--fail WORDS] [--deaf]
"""

import argparse
import json
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(200 if self.path == "/health" else 404, {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(200, {"choices": [{"text": "b"}]})

    def _answer(self, status: int, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
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
    options = parser.parse_args()
    if options.fail:
        print(options.fail, file=sys.stderr)
        return 3
    if options.deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(options.pause)
    taken = b"x" * options.eat
    server = ThreadingHTTPServer((options.host, options.port), Handler)
    print("serving", *([len(taken)] if taken else []), flush=True)
    threading.Thread(target=server.serve_forever).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
