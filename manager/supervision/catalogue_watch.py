"""`models.json` as it changes on the disk: read anew when it has settled, and told to the supervisor.

Looked at by its status and not by the system's notices of change, which do not cross a container's mount everywhere.
"""

import asyncio
import logging
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from contract.catalogue import Catalogue
from contract.catalogue_file import MAXIMUM_BYTES, CatalogueError, Problem, parse_catalogue
from manager.events import CatalogueEvent, CatalogueRead, CatalogueRefused
from manager.fixed import Fixed

log = logging.getLogger(__name__)

LONGEST_REASON = 4000  # characters
_REMEDY = "put a readable file in its place; what was read last stays in force"


@dataclass(frozen=True)
class FileState:
    """What tells one state of the file from another. `trouble` is why it cannot be looked at, in the system's words."""

    identity: tuple[int, ...] = ()
    trouble: str = ""


class CatalogueWatch:
    """Posts `CatalogueRead` or `CatalogueRefused` once for each state in which the file comes to rest.

    The state at the first looks counts as one: what changed between the manager's own reading and this watch is seen.
    `build` fits a catalogue to the box; it runs in a thread, blocks on files, and raises CatalogueError.
    """

    def __init__(
        self,
        file: Path,
        build: Callable[[Catalogue], Mapping[str, Fixed]],
        post: Callable[[CatalogueEvent], None],
        poll_seconds: float,
    ) -> None:
        self.file = file
        self.poll_seconds = poll_seconds
        self._build = build
        self._post = post
        self._seen: FileState | None = None
        self._told: tuple[FileState, str] | None = None  # the state last told of, and the complaint about it
        self._finished: FileState | None = None  # a state that needs no other reading

    def __repr__(self) -> str:
        complaint = self._told[1] if self._told else "not read yet"
        return f"<CatalogueWatch of {self.file.name}: {complaint or 'good'}>"

    async def run(self) -> None:
        """Watches for ever."""
        while True:
            await self.look()
            await asyncio.sleep(self.poll_seconds)

    async def look(self) -> None:
        """One look: what two looks in a row find alike, and was not read yet, is read."""
        state = await asyncio.to_thread(see, self.file)
        settled, self._seen = state == self._seen, state
        if settled and state != self._finished:
            await self._read(state)

    async def _read(self, state: FileState) -> None:
        try:
            news = await asyncio.to_thread(self._news)
        except OSError as error:  # it may pass without a change of the file: tried again at every look
            self._finished = None
            self._tell(state, CatalogueRefused(_in_words(_unreadable(error))))
            return
        if await asyncio.to_thread(see, self.file) != state:
            return  # it moved under the reader; what was read may be half of each
        self._finished = state
        self._tell(state, news)

    def _tell(self, state: FileState, news: CatalogueEvent) -> None:
        complaint = news.reason if isinstance(news, CatalogueRefused) else ""
        if (state, complaint) == self._told:
            return
        self._told = (state, complaint)
        if complaint:
            log.warning("%s", complaint)
        self._post(news)

    def _news(self) -> CatalogueEvent:
        """In a thread: the file as it is now. Raises OSError."""
        try:
            catalogue = parse_catalogue(read_bounded(self.file))
            return CatalogueRead(catalogue, self._build(catalogue))
        except CatalogueError as error:
            return CatalogueRefused(_in_words(error))


def see(file: Path) -> FileState:
    """The file's state, through symbolic links. Never raises OSError."""
    try:
        found = file.stat()
    except OSError as error:
        return FileState(trouble=error.strerror or str(error))
    # The change time tells edits that keep the size and set the time of modification back.
    return FileState((found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))


def read_bounded(file: Path) -> bytes:
    """The content of a `models.json`. Raises CatalogueError for what is no file or too large, and OSError."""
    with open(file, "rb", opener=_at_once) as opened:
        found = os.fstat(opened.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise CatalogueError((Problem("the file", "a pipe or a device", _REMEDY),))
        if found.st_size > MAXIMUM_BYTES:
            fix = f"keep it under {MAXIMUM_BYTES} bytes"
            raise CatalogueError((Problem("the file", f"{found.st_size} bytes", fix),))
        return opened.read(MAXIMUM_BYTES + 1)  # it may grow meanwhile


def _at_once(path: str, flags: int) -> int:
    """Opens without waiting: a named pipe would hold the reader until somebody writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _unreadable(error: OSError) -> CatalogueError:
    """The system's refusal in the words of all refusals."""
    return CatalogueError((Problem("the file", error.strerror or str(error), _REMEDY),))


def _in_words(error: CatalogueError) -> str:
    """At most 4,000 characters, all of which can be printed: a name in the file may hold anything."""
    text = str(error)
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[:LONGEST_REASON])
    return shown if len(text) <= LONGEST_REASON >= len(shown) else f"{shown[: LONGEST_REASON - 4]} ..."
