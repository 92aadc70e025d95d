"""What each key had of each model, gathered until it is written down."""

from contract.usage import Usage

Row = tuple[str, str, int, int, int]  # key id, model, requests, prompt tokens, completion tokens


class Count:
    """What one key had of one model."""

    __slots__ = ("completion_tokens", "prompt_tokens", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0

    def add(self, requests: int, prompt_tokens: int, completion_tokens: int) -> None:
        self.requests += requests
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens


class UsageBook:
    """Counts since the last `tear_off`: numbers that are added to for each request, and nothing else."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Count] = {}

    def count(self, key_id: str, model: str, spent: Usage) -> None:
        """One request, and what it cost."""
        self._of(key_id, model).add(1, spent.prompt_tokens, spent.completion_tokens)

    def tear_off(self) -> list[Row]:
        """What was counted, to be written down."""
        counts, self._counts = self._counts, {}
        return [(*who, each.requests, each.prompt_tokens, each.completion_tokens) for who, each in counts.items()]

    def put_back(self, rows: list[Row]) -> None:
        """What could not be written down after all."""
        for key_id, model, requests, prompt_tokens, completion_tokens in rows:
            self._of(key_id, model).add(requests, prompt_tokens, completion_tokens)

    def _of(self, key_id: str, model: str) -> Count:
        found = self._counts.get((key_id, model))
        if found is None:
            found = self._counts[key_id, model] = Count()
        return found
