"""What an answer cost, in tokens."""

from typing import NamedTuple


class Usage(NamedTuple):
    """Tokens of one answer, 0 or more: of its prompt, and those that were made for it."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total(self) -> int:
        return self.prompt_tokens + self.completion_tokens
