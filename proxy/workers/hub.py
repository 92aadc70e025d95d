"""The parent's side of the lines: a worker's question is put to all the others, and their answers become one.

A question about jobs is put to the one worker that runs them. What a worker tells is told to all.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from contract.prometheus import NO_LABELS, Exposition
from proxy.metrics.merging import Merging
from proxy.sharing.asking import ALIVE, JOBS, JOBS_AGAIN, METRICS
from proxy.sharing.line import Line, Message
from proxy.sharing.siblings import LEADER_SECONDS
from proxy.workers.bulletin import Bulletin
from proxy.workers.leadership import Leadership

PATIENCE = 1.0  # seconds for the slowest: it may be busy, or on its way down
PAUSE = 0.1  # before a question is put to the next who runs the jobs


class Member:
    """One worker as the hub knows it. `told` is what it said last of its metrics, `before` was counted without it."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.before: Mapping[str, float] = {}
        self.is_serving = False
        self.told = b""
        self.answers: dict[int, asyncio.Future[bytes]] = {}


class Hub:
    """Knows the workers that live, and what those that died had counted. `deaths` is how many did unasked."""

    def __init__(self, served: Callable[[Member], None]) -> None:
        self._served = served
        self._leadership: Leadership[Member] = Leadership(lambda member: member.line.send(Message("lead")))
        self.bulletin = Bulletin()
        self._members: list[Member] = []
        self.deaths = 0
        self._past = b""
        self._common: Mapping[str, float] = {}
        self._asked = 0
        self._asking: set[asyncio.Task[None]] = set()

    async def follow(self, member: Member) -> None:
        """Serve a worker until it is gone."""
        member.before = self._common
        self._members.append(member)
        self.bulletin.catch_up(member.line)
        try:
            while (message := await member.line.receive()) is not None:
                self._take(member, message)
        finally:
            member.line.close()
            self._members.remove(member)
            self._leadership.leave(member, (each for each in self._members if each.is_serving))
            self._bury(member)

    def _take(self, member: Member, message: Message) -> None:
        match message.kind:
            case "serving":
                member.is_serving = True
                self._served(member)
                self._leadership.serve(member)
            case "tell":
                self.bulletin.tell(message.body, [each.line for each in self._members])
            case "ask":
                task = asyncio.create_task(self._ask(member, message))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
            case "answer" if (answer := member.answers.get(message.number)) is not None and not answer.done():
                answer.set_result(message.body)

    async def _ask(self, asker: Member, asked: Message) -> None:
        body = await (self._of_leader(asked.body) if asked.what == JOBS else self._of_all(asker, asked))
        asker.line.send(Message("reply", asked.number, body=body))

    async def _of_all(self, asker: Member, asked: Message) -> bytes:
        others = [each for each in self._members if each is not asker and each.is_serving]
        answers = await asyncio.gather(*(self._question(each, asked.what) for each in others))
        if asked.what != METRICS:
            return b""
        asker.told = asked.body
        for member, answer in zip(others, answers, strict=True):
            member.told = answer or member.told
        return self._merged(each for each in (asker, *others) if each in self._members)  # the others are buried

    async def _of_leader(self, body: bytes) -> bytes:
        """Of whoever runs the jobs, and of the next where that one dies over it; b"" where none answers in time."""
        what = JOBS
        with suppress(TimeoutError):
            async with asyncio.timeout(LEADER_SECONDS):
                while True:
                    leader = await self._leadership.get()
                    answer = await self._question(leader, what, LEADER_SECONDS, body)
                    if answer:
                        return answer
                    what = JOBS_AGAIN
                    await asyncio.sleep(PAUSE)
        return b""

    async def hears(self, member: Member, seconds: float) -> bool:
        """Whether a worker answers within so long. One that does not serve yet is given its time."""
        if not member.is_serving:
            await asyncio.sleep(seconds)
            return True
        return bool(await self._question(member, ALIVE, seconds))

    async def _question(self, member: Member, what: str, patience: float = PATIENCE, body: bytes = b"") -> bytes:
        """b"" where no answer comes."""
        self._asked += 1
        number = self._asked
        member.answers[number] = asyncio.get_running_loop().create_future()
        member.line.send(Message("question", number, what, body))
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    return await member.answers[number]
            return b""
        finally:
            del member.answers[number]

    def _merged(self, members: Iterable[Member]) -> bytes:
        merging = Merging()
        for member in members:
            merging.add(member.told, member.before)
        merging.add(self._past, only_lasting=True)
        self._common = merging.common_counts
        merging.add(self._told_of_workers())
        return merging.encode()

    def _told_of_workers(self) -> bytes:
        out = Exposition()
        serving = sum(member.is_serving for member in self._members)
        out.gauge("roundhouse_workers", "Processes of the proxy that serve.", [(NO_LABELS, serving)])
        out.counter("roundhouse_worker_deaths_total", "Processes that ended unasked.", [(NO_LABELS, self.deaths)])
        return out.encode()

    def _bury(self, member: Member) -> None:
        """What a worker had told of its counts is counted on, so that none ever shrinks."""
        for answer in member.answers.values():
            if not answer.done():
                answer.set_result(b"")
        past = Merging()
        past.add(self._past)
        past.add(member.told, member.before, only_lasting=True)
        self._past = past.encode()
