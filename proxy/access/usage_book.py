"""What each key had of each model, gathered until it is written down."""

from contract.usage import Usage

Counts = tuple[int, int, int]
Row = tuple[str, str, int, int, int]  # key id, model, requests, prompt tokens, completion tokens


class UsageBook:
    """Counts since the last `tear_off`. A dictionary's store for each request, and nothing else."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Counts] = {}

    def count(self, key_id: str, model: str, spent: Usage) -> None:
        """One request, and what it cost."""
        requests, prompt, completion = self._counts.get((key_id, model), (0, 0, 0))
        counts = (requests + 1, prompt + spent.prompt_tokens, completion + spent.completion_tokens)
        self._counts[key_id, model] = counts

    def tear_off(self) -> list[Row]:
        """What was counted, to be written down."""
        rows = [(*who, *counts) for who, counts in self._counts.items()]
        self._counts = {}
        return rows

    def put_back(self, rows: list[Row]) -> None:
        """What could not be written down after all."""
        for key_id, model, *counts in rows:
            there = self._counts.get((key_id, model), (0, 0, 0))
            self._counts[key_id, model] = (there[0] + counts[0], there[1] + counts[1], there[2] + counts[2])
