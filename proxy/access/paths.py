"""Which paths need a key: everything but the page and the two health checks, which say nothing of value."""


def is_guarded(path: str) -> bool:
    """Whether the path is part of the interface: models, prompts, control."""
    return path.startswith(("/v1/", "/admin/")) or path in {"/v1", "/admin"}
