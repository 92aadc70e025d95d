"""Which paths need a key: all but these. What is not named here is guarded, whether it exists or not."""

from typing import Final

PUBLIC: Final = frozenset({"/", "/health", "/ready"})
PUBLIC_FOLDER: Final = "/static/"  # the page's own files
ADMIN_FOLDER: Final = "/admin/"
ADMIN: Final = frozenset({"/admin", "/metrics"})


def is_guarded(path: str) -> bool:
    """Whether the path is more than the page and the two health checks, which say nothing of value."""
    return path not in PUBLIC and not path.startswith(PUBLIC_FOLDER)


def is_for_admins(path: str) -> bool:
    """Whether the path is control, and not use."""
    return path.startswith(ADMIN_FOLDER) or path in ADMIN
