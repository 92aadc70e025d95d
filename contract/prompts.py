"""When a prompt says something: the proxy refuses at once what the engine would refuse, and nothing else."""

import re

# Spelt out, since languages differ in what \s takes in.
WORDS = r"[^\t\n\v\f\r ]"
_WORDS = re.compile(WORDS)


def says_something(prompt: str) -> bool:
    """Whether there is more in it than blanks."""
    return _WORDS.search(prompt) is not None
