"""GET /v1/artifacts/export: a ZIP of artifacts with their sidecars, made as it is sent."""

import asyncio
import io
import time
import zipfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import msgspec

from contract.artifacts import Sidecar
from contract.errors import ApiError
from proxy.access.admission import owner_of
from proxy.artifacts.facts import MOST_PER_PAGE, Query
from proxy.artifacts.kinds import suffix_of
from proxy.artifacts.store import ArtifactStore
from proxy.endpoints._artifact_query import query_of
from proxy.gateway.asgi import RawHeaders, Receive, Scope, Send

HEADERS: RawHeaders = [
    (b"content-type", b"application/zip"),
    (b"content-disposition", b'attachment; filename="artifacts.zip"'),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
]
HIDDEN = {"owner"}


class Export:
    """The filters are a listing's; `limit` is of no account. What is damaged is named in `damaged.json`."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = replace(query_of(scope), limit=MOST_PER_PAGE)
        async with aclosing(self._pieces(owner_of(scope), query)) as pieces:
            first = await anext(pieces)
            await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
            if scope["method"] != "HEAD":
                await send({"type": "http.response.body", "body": first, "more_body": True})
                async for piece in pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _pieces(self, owner: str, query: Query) -> AsyncGenerator[bytes, None]:
        """The ZIP's bytes; the first piece, which may be empty, when the first page was found."""
        sink = Sink()
        damaged: dict[str, str] = {}
        page = await self._store.list(owner, query)
        yield b""
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
            while True:
                for entry in page.items:
                    async with aclosing(self._one(owner, archive, sink, entry.sidecar, damaged)) as pieces:
                        async for piece in pieces:
                            yield piece
                if page.next is None:
                    break
                page = await self._store.list(owner, replace(query, after=page.next))
            if damaged:
                archive.writestr("damaged.json", msgspec.json.encode(damaged))
            await asyncio.to_thread(archive.close)
            yield sink.take()

    async def _one(
        self, owner: str, archive: zipfile.ZipFile, sink: "Sink", sidecar: Sidecar, damaged: dict[str, str]
    ) -> AsyncGenerator[bytes, None]:
        name = f"{sidecar.kind}/{sidecar.id}"
        try:
            file = await self._store.content(owner, sidecar.id)
        except ApiError as error:
            damaged[sidecar.id] = error.code or ""
            return
        info = zipfile.ZipInfo(name + suffix_of(sidecar.mime), time.gmtime(max(sidecar.created, 315_532_800.0))[:6])
        with archive.open(info, "w", force_zip64=True) as place:
            async for data in file.read():
                await asyncio.to_thread(place.write, data)
                yield sink.take()
        archive.writestr(f"{name}.meta.json", sidecar.model_dump_json(exclude=HIDDEN, indent=1))
        yield sink.take()


class Sink(io.RawIOBase):
    """A file that cannot be gone back in: what is written waits until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self._waiting.append(bytes(data))  # type: ignore[call-overload]
        return len(self._waiting[-1])

    def take(self) -> bytes:
        taken, self._waiting = b"".join(self._waiting), []
        return taken
