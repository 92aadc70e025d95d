"""A real S3 server (SeaweedFS) on loopback, in a folder of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sysconfig
import time
from contextlib import suppress
from pathlib import Path

from proxy.artifacts.bucket.line import Line, close_quietly
from proxy.artifacts.bucket.place import BucketPlace, Credentials
from proxy.artifacts.failures import BucketAway, BucketRefused
from tests.harness.ports import free_port
from tests.proxy.artifacts.buckets import BUCKET, OWNER, READER

PATIENCE = 60.0
PARTS = ("master", "volume", "filer", "s3")


class S3Server:
    """`start` it, also after `kill`: what it had it has again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {part: (free_port(), free_port()) for part in PARTS}
        self._process: subprocess.Popen[bytes] | None = None
        identities = [_identity("owner", OWNER, ["Admin"]), _identity("reader", READER, ["Read", "List"])]
        (folder / "identities.json").write_text(json.dumps({"identities": identities}))
        (folder / "data").mkdir()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports['s3'][0]}"

    def place(self, prefix: str, credentials: Credentials = OWNER, timeout: float = 20.0) -> BucketPlace:
        return BucketPlace(BUCKET, credentials, self.url, prefix, timeout=timeout)

    def start(self) -> None:
        """Blocks until it is ready, and has the bucket."""
        log = (self._folder / "log").open("ab")
        environment = os.environ | {"TMPDIR": str(self._folder)}
        self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, env=environment)
        log.close()
        deadline = time.monotonic() + PATIENCE
        while not self._is_ready():
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "the S3 server does not answer"
            time.sleep(0.05)

    def line(self, prefix: str = "") -> Line:
        """To look at what is there, and to change it."""
        made = Line(self.place(prefix))
        made.open()
        return made

    def kill(self) -> None:
        """At once: nothing is put in order."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for port in (port for pair in self._ports.values() for port in pair):
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                socket.unlink(missing_ok=True)

    def stop(self) -> None:
        """It takes connections, and answers nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    async def restart(self) -> None:
        await asyncio.to_thread(self.start)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _command(self) -> list[str]:
        ports = [
            flag
            for part, (http, grpc) in self._ports.items()
            for flag in (f"-{part}.port={http}", f"-{part}.port.grpc={grpc}")
        ]
        weed = Path(sysconfig.get_path("scripts")) / "weed"
        where = [f"-dir={self._folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        quiet = ["-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false"]
        room = [
            "-master.volumeSizeLimitMB=64",
            "-volume.max=0",
            "-s3.autoCreateBucket=false",
            "-master.electionTimeout=1s",
        ]
        who = f"-s3.config={self._folder / 'identities.json'}"
        return [str(weed), "server", *where, *ports, *quiet, *room, "-s3", who]

    def _is_ready(self) -> bool:
        line = self.line()
        try:
            with suppress(BucketRefused):  # the bucket is there already
                line.ask("create_bucket")
            line.ask("put_object", Key="ready", Body=b"yes")
            body = line.fetch("ready", 0, 1)
            close_quietly(body)
        except BucketAway:
            return False
        finally:
            line.close()
        return body is not None


def _identity(name: str, credentials: Credentials, actions: list[str]) -> dict[str, object]:
    keys = {"accessKey": credentials.access_key, "secretKey": credentials.secret_key}
    return {
        "name": name,
        "credentials": [{key: value.get_secret_value() for key, value in keys.items()}],
        "actions": actions,
    }
