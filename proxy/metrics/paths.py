"""A request's path -> the route that it belongs to: what callers make up never becomes a label."""

from collections.abc import Iterable

from proxy.metrics.meter import OTHER


class PathLabels:
    """The routes' paths; one that ends in `*` stands for all that begin so."""

    def __init__(self, paths: Iterable[str]) -> None:
        known = set(paths)
        self._exact = {path: path for path in known if not path.endswith("*")}
        self._prefixes = sorted((path[:-1] for path in known if path.endswith("*")), key=len, reverse=True)

    def of(self, path: str) -> str:
        return self._exact.get(path) or self._prefixed(path)

    def _prefixed(self, path: str) -> str:
        return next((prefix + "*" for prefix in self._prefixes if path.startswith(prefix)), OTHER)
