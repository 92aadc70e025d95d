"""Whose turn it is: one queue for each model, in order of arrival. Pure."""

from collections import deque


class Queues:
    """Ids of jobs by model. Those whose turn it is stand in no queue."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[str]] = {}

    def __repr__(self) -> str:
        return f"<Queues { ({model: len(waiting) for model, waiting in self._waiting.items()}) }>"

    def add(self, model: str, job_id: str) -> None:
        """At the end."""
        self._waiting.setdefault(model, deque()).append(job_id)

    def count(self, model: str) -> int:
        return len(self._waiting.get(model, ()))

    @property
    def models(self) -> tuple[str, ...]:
        """Those that anybody waits for."""
        return tuple(self._waiting)

    def of(self, model: str) -> tuple[str, ...]:
        """Who waits, in order."""
        return tuple(self._waiting.get(model, ()))

    def remove(self, model: str, job_id: str) -> bool:
        """Whether it stood there."""
        waiting = self._waiting.get(model)
        if waiting is None or job_id not in waiting:
            return False
        waiting.remove(job_id)
        if not waiting:
            del self._waiting[model]
        return True

    def position(self, model: str, job_id: str) -> int:
        """1 is next; 0: it does not wait."""
        waiting = self._waiting.get(model, ())
        return waiting.index(job_id) + 1 if job_id in waiting else 0
