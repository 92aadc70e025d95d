"""One file per endpoint family, found by a scan of this folder.

A file declares `routes(services)`, and as `OPERATIONS` what the OpenAPI document says of them.
Files whose name begins with an underscore serve the others.
"""

import importlib
import pkgutil
from types import ModuleType

from proxy.openapi.operation import Operation
from proxy.router import Route
from proxy.services import Services


def find_routes(services: Services) -> list[Route]:
    """Every route of every file in this folder."""
    return [route for module in _find_modules() for route in module.routes(services)]


def find_operations() -> list[Operation]:
    """Every operation of every file in this folder."""
    return [operation for module in _find_modules() for operation in module.OPERATIONS]


def _find_modules() -> list[ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return [importlib.import_module(f"{__name__}.{name}") for name in names]
