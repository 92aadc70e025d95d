"""One file per endpoint family, found by a scan of this folder.

A file declares `routes(services)`. Files whose name begins with an underscore serve the others.
"""

import importlib
import pkgutil

from proxy.router import Route
from proxy.services import Services


def find_routes(services: Services) -> list[Route]:
    """Every route of every file in this folder."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return [route for module in modules for route in module.routes(services)]
