"""The families, found by a scan of this folder: every module's `FAMILY`. No pipeline class belongs to two."""

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType

from images.diffusers.server.families.family import Family


def _families() -> tuple[Family, ...]:
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return tuple(module.FAMILY for module in modules if hasattr(module, "FAMILY"))


def _by_pipeline() -> Mapping[str, Family]:
    table: dict[str, Family] = {}
    for family in _families():
        for pipeline in family.recipes:
            if pipeline in table:
                raise ValueError(f"{pipeline} is claimed by {table[pipeline].name} and by {family.name}")
            table[pipeline] = family
    return MappingProxyType(table)


BY_PIPELINE = _by_pipeline()
