"""What a proxy has for itself, and what its workers have together where there are several."""

import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

from proxy.access.allowance import OWN_LIMITS, Limits
from proxy.access.key import read_key
from proxy.access.limit_table import LimitTable
from proxy.access.shared_limits import SharedLimits
from proxy.access.sources import BAD_KEYS_PER_MINUTE
from proxy.access_log import Out
from proxy.settings import Settings
from proxy.sharing.asking import KEYS
from proxy.sharing.share import Share
from proxy.sharing.whole_lines import WholeLines


class Company:
    """`limits` of keys, the `key` of the key file, and `out`, where requests are logged. Raises KeyFileError.

    `bad_keys`: how many a minute this worker bears from one source; together they bear what one alone would.
    `spread` has the other workers look at the store of keys; None where there are none.
    """

    def __init__(self, settings: Settings, share: Share | None) -> None:
        self.limits: Limits = OWN_LIMITS
        self.out: Out = sys.stdout
        self.bad_keys = BAD_KEYS_PER_MINUTE
        self.spread: Callable[[], Awaitable[None]] | None = None
        if share is None:
            self.key = read_key(settings.key_file) if settings.key_file else None
            return
        assigned, self._siblings = share.assignment, share.siblings
        self.key = assigned.key
        self.limits = SharedLimits(LimitTable(share.memory, assigned.worker, assigned.workers))
        self.bad_keys = max(1, BAD_KEYS_PER_MINUTE // assigned.workers)
        self.out = WholeLines(sys.stdout.fileno())
        self.spread = self._spread

    async def _spread(self) -> None:
        with suppress(TimeoutError):  # they look by themselves, a moment later
            await self._siblings.ask(KEYS)
