"""What tests with keys share: an admin's key file, and keys made through the admin API."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from tests.proxy.world import Raw, World, world

ADMIN = "an-admins-key-of-many-characters"
CHAT = "/v1/chat/completions"
BODY = b'{"model":"small","messages":[{"role":"user","content":"hi"}]}'


@dataclass(frozen=True)
class Made:
    """A key that was just made."""

    id: str
    text: str

    @property
    def header(self) -> str:
        return f"authorization: Bearer {self.text}"


@dataclass
class Keyed:
    """A world in which everybody must send a key."""

    world: World
    store: Path
    admin: str = f"authorization: Bearer {ADMIN}"

    async def make(self, **wish: Any) -> Made:  # noqa: ANN401
        answer = await self.ask("POST", "/admin/keys", {"name": "test", **wish})
        assert answer.status == 201, answer.body
        created = json.loads(answer.body)
        return Made(created["id"], created["key"])

    async def ask(self, method: str, path: str, document: object = None, *headers: str) -> Raw:
        """With the admin's key, where no other header is given."""
        body = b"" if document is None else json.dumps(document).encode()
        given = headers or (self.admin,)
        lines = [f"{method} {path} HTTP/1.1", f"host: 127.0.0.1:{self.world.port}", "connection: close", *given]
        lines += ["content-type: application/json", f"content-length: {len(body)}", "", ""]
        return await self.world.request("\r\n".join(lines).encode() + body)

    async def chat(self, key: Made, body: bytes = BODY) -> Raw:
        return await self.world.post(CHAT, body, key.header)

    async def usage(self, key: Made) -> list[dict[str, Any]]:
        listed = json.loads((await self.ask("GET", "/admin/keys")).body)["keys"]
        usage: list[dict[str, Any]] = next(info["usage"] for info in listed if info["id"] == key.id)
        return usage

    def sdk(self, key: Made) -> AsyncOpenAI:
        return self.world.client.with_options(api_key=key.text)


@asynccontextmanager
async def keyed(folder: Path, **settings: Any) -> AsyncIterator[Keyed]:  # noqa: ANN401
    """The whole path behind a key file."""
    file = folder / "key"
    file.write_text(ADMIN)
    async with world(folder, key_file=file, **settings) as w:
        yield Keyed(w, folder / "keys.sqlite3")
