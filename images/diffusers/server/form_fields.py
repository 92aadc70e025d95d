"""The text of a form, as JSON would have it: numbers, truths, lists and objects.

Numbers and truths are read where the request's type wants them; what cannot be is left as text, for the type to refuse
by name. `loras[][name]` and the like become lists and objects.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from images.diffusers.server.errors import invalid
from images.diffusers.server.forms import Form

TRUTHS: Mapping[str, bool] = {"true": True, "false": False, "1": True, "0": False}
WHOLE = re.compile(r"-?[0-9]{1,30}")
NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,3})?")
NESTED = re.compile(r"([A-Za-z_]\w*)((?:\[\w*\])+)")
# Fields that may come as one piece of JSON.
NESTS = frozenset({"loras", "controlnet", "ip_adapter"})
SCALE = "scale"


@dataclass(frozen=True)
class Kinds:
    """Which names want numbers without a point, numbers, or truths."""

    wholes: frozenset[str]
    numbers: frozenset[str]
    truths: frozenset[str]


def fields_of(form: Form, kinds: Kinds) -> dict[str, object]:
    """The form's text as JSON would have it; each name once, lists apart. Empty text of a number is absent."""
    found: dict[str, object] = {}
    for name, text in form.fields:
        nested = NESTED.fullmatch(name)
        if nested:
            _nest(found, nested[1], nested[2], text)
        elif name in found:
            raise invalid(name, f"{name} stands twice; send it once.")
        else:
            found[name] = _value(name, text, kinds)
    for name, value in found.items():
        if isinstance(value, list) and any(isinstance(item, dict) and set(item) != set(value[0]) for item in value):
            raise invalid(name, f"{name}: not all have the same keys, so which is whose is unclear; send it as JSON.")
    return found


def _value(name: str, text: str, kinds: Kinds) -> object:
    if name in kinds.truths:
        return TRUTHS.get(text.lower(), text)
    if name in kinds.wholes and WHOLE.fullmatch(text):
        return int(text)
    if name in kinds.numbers and NUMBER.fullmatch(text):
        return float(text)
    if text[:1] in {"[", "{"} and name in NESTS:
        return _parsed(name, text)
    return text


def _parsed(name: str, text: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid(name, f"{name} is not valid JSON.") from error
    return value


def _nest(found: dict[str, object], name: str, path: str, text: str) -> None:
    """`name[][key]`: an object of a list; `name[key]`: an object."""
    keys = re.findall(r"\[(\w*)\]", path)
    value: object = float(text) if keys[-1] == SCALE and NUMBER.fullmatch(text) else text
    if len(keys) == 2 and not keys[0] and keys[1]:
        items = found.setdefault(name, [])
        if not isinstance(items, list):
            raise invalid(name, f"{name} is given in two ways.")
        # Clients send them object by object, or key by key: the first that lacks this key is meant.
        item = next((item for item in items if keys[1] not in item), None)
        if item is None:
            items.append(item := {})
        item[keys[1]] = value
        return
    inner = found.setdefault(name, {})
    if len(keys) != 1 or not keys[0] or not isinstance(inner, dict) or keys[0] in inner:
        raise invalid(name, f"{name}{path} cannot be read. Objects are name[key], lists of them name[][key].")
    inner[keys[0]] = value
