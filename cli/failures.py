"""The one exception that ends a verb with a reason.

Failure
    raised wherever a verb cannot go on; `app.main` prints cause and remedy and exits with status 1.
"""


class Failure(Exception):
    """What went wrong, and what to do about it; `log_tail` are the last lines of what failed."""

    def __init__(self, cause: str, remedy: str, log_tail: tuple[str, ...] = ()) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy
        self.log_tail = log_tail

    def __repr__(self) -> str:
        return f"<Failure {self.cause}: {self.remedy}>"
