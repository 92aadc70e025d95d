"""Which model serves a request: pure, over what the manager last told."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from contract.capabilities import ENDPOINT_TYPES, endpoints_of
from contract.catalogue import Catalogue
from contract.errors import ApiError
from contract.states import ModelStatus


@dataclass(frozen=True)
class Directory:
    """The catalogue, and each model's status as last told. A value: news makes a new one.

    serving: endpoint's path -> every name under which a model serves it -> that model; "" is the default's
    """

    catalogue: Catalogue
    statuses: Mapping[str, ModelStatus]
    serving: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, catalogue: Catalogue, statuses: Iterable[ModelStatus]) -> Self:
        serving = {path: _names_for(path, catalogue) for path in ENDPOINT_TYPES}
        return cls(catalogue, {status.name: status for status in statuses}, serving)

    def with_status(self, status: ModelStatus) -> Self:
        return replace(self, statuses={**self.statuses, status.name: status})

    def choose(self, path: str, named: str | None) -> str:
        """An endpoint's path and the model that a request names -> the model's own name. Raises ApiError (400, 404)."""
        found = self.serving[path].get(named or "")
        if found is not None:
            return found
        return self._explain_unnamed(path) if not named else self._explain(path, named)

    def find(self, named: str) -> str:
        """A name or an alias -> the model's own name. Raises ApiError (404)."""
        found = self.catalogue.resolve(named)
        if found is None:
            message = f"The model '{named[:128]}' does not exist here. There are: {_listed(self.catalogue.models)}."
            raise ApiError(404, "model_not_found", message, param="model")
        return found

    def _explain_unnamed(self, path: str) -> str:
        message = f"Name a model; no model is the default of {path}. It is served by: {self._servers(path)}."
        raise ApiError(400, "model_required", message, param="model")

    def _explain(self, path: str, named: str) -> str:
        entry = self.catalogue.models[self.find(named)]
        message = (
            f"The model '{named}' is of type {_listed(entry.type)} and cannot serve {path}. "
            f"It serves: {_listed(endpoints_of(entry.type))}. {path} is served by: {self._servers(path)}."
        )
        raise ApiError(400, "wrong_model_type", message, param="model")

    def _servers(self, path: str) -> str:
        return _listed(dict.fromkeys(self.serving[path].values()))


def _names_for(path: str, catalogue: Catalogue) -> Mapping[str, str]:
    names: dict[str, str] = {}
    for name, entry in catalogue.models.items():
        if ENDPOINT_TYPES[path].intersection(entry.type):
            names |= dict.fromkeys((name, *entry.aliases), name)
        if ENDPOINT_TYPES[path].intersection(entry.default_for):
            names[""] = name
    return names


def _listed(items: Iterable[str]) -> str:
    return ", ".join(items) or "none"
