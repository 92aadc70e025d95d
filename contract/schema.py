"""The JSON Schema of `models.json`, published for editors as `models.schema.json`.

python -m contract.schema > models.schema.json
"""

import json

from contract.catalogue import NAME, ModelEntry
from contract.catalogue_file import SCHEMA_KEY


def catalogue_schema() -> dict[str, object]:
    """The schema as an object; a test holds the published file to it."""
    entry = ModelEntry.model_json_schema()
    definitions = entry.pop("$defs", {})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Roundhouse models.json",
        "type": "object",
        "properties": {SCHEMA_KEY: {"type": "string"}},
        "patternProperties": {f"^{NAME}$": {"$ref": "#/$defs/ModelEntry"}},
        "additionalProperties": False,
        "$defs": {**definitions, "ModelEntry": entry},
    }


if __name__ == "__main__":
    print(json.dumps(catalogue_schema(), indent=2))
