"""What a proxy has for itself, and what its workers have together where there are several."""

import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from proxy.access.allowance import OWN_LIMITS, Limits
from proxy.access.key import read_key
from proxy.access.limit_table import LimitTable
from proxy.access.shared_limits import SharedLimits
from proxy.access.sources import BAD_KEYS_PER_MINUTE
from proxy.access.store import KeyStore
from proxy.access_log import Out
from proxy.jobs.desk import Jobs
from proxy.jobs.events import EventHub
from proxy.jobs.shared import SharedJobs
from proxy.metrics.report import Report
from proxy.settings import Settings
from proxy.sharing.asking import KEYS, METRICS
from proxy.sharing.share import Share
from proxy.sharing.siblings import Duties, Siblings
from proxy.sharing.whole_lines import WholeLines


class Company:
    """`limits` of keys, the `key` of the key file, and `out`, where requests are logged. Raises KeyFileError.

    `bad_keys`: how many a minute this worker bears from one source; together they bear what one alone would.
    `events` is what is told to all who listen, at whichever worker.
    `spread` has the other workers look at the store of keys; None where there are none.
    """

    def __init__(self, settings: Settings, share: Share | None) -> None:
        self.limits: Limits = OWN_LIMITS
        self.out: Out = sys.stdout
        self.events = EventHub()
        self._siblings: Siblings | None = None
        self.bad_keys = BAD_KEYS_PER_MINUTE
        self.spread: Callable[[], Awaitable[None]] | None = None
        if share is None:
            self.key = read_key(settings.key_file) if settings.key_file else None
            return
        assigned, siblings = share.assignment, share.siblings
        self._siblings = siblings
        self.events = EventHub(word=assigned.events, publish=siblings.tell)
        self.key = assigned.key
        self.limits = SharedLimits(LimitTable(share.memory, assigned.worker, assigned.workers))
        self.bad_keys = max(1, BAD_KEYS_PER_MINUTE // assigned.workers)
        self.out = WholeLines(sys.stdout.fileno())
        self.spread = partial(_spread, siblings)

    def share_jobs(self, jobs: Jobs, led: Callable[[], None]) -> Jobs | SharedJobs:
        """As this worker has them, who may not be the one that runs them; `led` is called when it is from now on."""
        return jobs if self._siblings is None else SharedJobs(jobs, self._siblings, led)

    async def stay_in_line(self, report: Report, keys: KeyStore, jobs: Jobs | SharedJobs) -> None:
        """Do what the parent and the other workers ask, where there are any."""

        async def tell_counts(_: bytes) -> bytes:
            return report.render(None)

        async def refresh_keys(_: bytes) -> bytes:
            await keys.refresh()
            return b""

        if self._siblings is not None:
            answers = {METRICS: tell_counts, KEYS: refresh_keys, **jobs.answers}
            await self._siblings.follow(Duties(answers, jobs.lead, self.events.hear))


async def _spread(siblings: Siblings) -> None:
    with suppress(TimeoutError):  # they look by themselves, a moment later
        await siblings.ask(KEYS)
