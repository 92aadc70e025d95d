"""`python -m proxy`: read the settings, refuse what would be unsafe, serve."""

import logging
import sys

from pydantic import ValidationError

from proxy.access.key import KeyFileError
from proxy.database import make_database
from proxy.postgres.errors import AddressError
from proxy.server import build_server
from proxy.settings import Settings
from proxy.workers.serve import CannotTogether, serve_together

UNGUARDED = """\
The proxy would be reachable from other machines ({address}) and no key is set.
Either let it listen on this machine alone:   ROUNDHOUSE_PROXY_HOST=127.0.0.1
or make a key that callers must send:         python3 -c "import secrets; print(secrets.token_urlsafe(32))" > key
and name it:                                  ROUNDHOUSE_KEY_FILE=key"""


class Refused(Exception):
    """The proxy will not start; the text says what to do."""


def main() -> int:
    """Serve until told to stop -> the process's exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = Settings()
        require_safe(settings)
        make_database(settings.database_url, settings.database_password_file)  # refuses what is no address of one
        if settings.proxy_workers > 1:
            return serve_together(settings)
        server = build_server(settings)
    except (Refused, AddressError, KeyFileError, ValidationError, CannotTogether) as error:
        print(error, file=sys.stderr)
        return 2
    server.run()
    return 0 if server.started else 1


def require_safe(settings: Settings) -> None:
    """Raises Refused where anybody on the network could use the proxy."""
    if not settings.is_private and settings.key_file is None:
        raise Refused(UNGUARDED.format(address=settings.published_at or settings.proxy_host))


if __name__ == "__main__":
    sys.exit(main())
