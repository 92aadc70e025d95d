"""What an answer cost, in tokens."""

from typing import final


@final
class Usage:
    """Tokens of one answer, 0 or more: of its prompt, and those that were made for it. It is not changed."""

    __slots__ = ("completion_tokens", "prompt_tokens")

    def __init__(self, prompt_tokens: int = 0, completion_tokens: int = 0) -> None:
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens

    def __repr__(self) -> str:
        return f"<Usage of {self.prompt_tokens} and {self.completion_tokens} tokens>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Usage):
            return NotImplemented
        mine = (self.prompt_tokens, self.completion_tokens)
        return mine == (other.prompt_tokens, other.completion_tokens)

    def __hash__(self) -> int:
        return hash((self.prompt_tokens, self.completion_tokens))

    @property
    def total(self) -> int:
        return self.prompt_tokens + self.completion_tokens
