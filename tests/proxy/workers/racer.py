"""A process that takes of shared limits as fast as it can: `python -m tests.proxy.workers.racer MEMORY WORKER WORKERS`.

Each line that it reads is an order, answered by a line:
    take HOLDER LIMITS COUNT   tries so often at one moment -> how often it was let in; what it took goes on running
    end HOLDER                 settles all that runs
    lock HOLDER                takes the lock of the holder's record, and keeps it
"""

import sys

from contract.keys import KeyLimits
from proxy.access.allowance import Allowance, Refusal
from proxy.access.limit_table import LimitTable
from proxy.access.shared_limits import SharedLimits
from proxy.sharing.memory import SharedMemory
from proxy.sharing.table import digest_of


class Racer:
    def __init__(self, file: int, worker: int, workers: int) -> None:
        self.memory = SharedMemory(file, workers)
        self.limits = SharedLimits(LimitTable(self.memory, worker, workers))
        self.held: dict[str, Allowance] = {}
        self.running: dict[str, list[tuple[int, ...]]] = {}

    def take(self, holder: str, limits: str, count: str) -> int:
        if holder not in self.held:
            self.held[holder] = self.limits.allowance(holder, KeyLimits.model_validate_json(limits), 0.0)
        taken = [self.limits.take((self.held[holder],), 1, 0.0) for _ in range(int(count))]
        let_in = [each for each in taken if not isinstance(each, Refusal)]
        self.running.setdefault(holder, []).extend(let_in)
        return len(let_in)

    def end(self, holder: str) -> int:
        for reserved in self.running.pop(holder, []):
            self.limits.settle((self.held[holder],), reserved, 0)
        return 0

    def lock(self, holder: str) -> int:
        table = self.memory.limits
        table.lock((table.set_of(digest_of(holder)),))
        return 0


def main() -> None:
    racer = Racer(*map(int, sys.argv[1:4]))
    print("here", flush=True)
    for line in sys.stdin:
        verb, *rest = line.split()
        print(getattr(racer, verb)(*rest), flush=True)


if __name__ == "__main__":
    main()
