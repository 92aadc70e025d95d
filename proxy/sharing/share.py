"""What one worker has in common with the others."""

from dataclasses import dataclass

from proxy.sharing.line import Assignment
from proxy.sharing.memory import SharedMemory
from proxy.sharing.siblings import Siblings


@dataclass(frozen=True)
class Share:
    """Made at a worker's start; a proxy of one worker has none."""

    assignment: Assignment
    memory: SharedMemory
    siblings: Siblings
