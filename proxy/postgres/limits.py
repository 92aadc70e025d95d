"""How long PostgreSQL is waited for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PostgresLimits:
    """Seconds. Whoever asks is told within `connect` + `answer`, whatever becomes of the server.

    connect: for a connection
    statement: that the server gives one statement; lock: of them, for what another holds
    answer: for a server that does not keep its own limits
    rest: for which a refusal holds for all
    """

    connect: float = 5.0
    statement: float = 15.0
    lock: float = 10.0
    answer: float = 20.0
    rest: float = 1.0

    @property
    def libpq(self) -> dict[str, str]:
        """What the address does not say itself."""
        return {
            "application_name": "roundhouse",
            "client_encoding": "utf8",
            "gssencmode": "disable",
            "connect_timeout": str(max(2, round(self.connect))),
            "keepalives_idle": "10",
            "keepalives_interval": "5",
            "keepalives_count": "3",
            "tcp_user_timeout": "15000",  # milliseconds
        }
