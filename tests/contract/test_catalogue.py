import json
from pathlib import Path

import pytest

from contract.catalogue import ModelType
from contract.catalogue_file import MAXIMUM_BYTES, CatalogueError, parse_catalogue
from contract.schema import catalogue_schema

ROOT = Path(__file__).parents[2]


def problems(document: object) -> list[tuple[str, str]]:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(CatalogueError) as refused:
        parse_catalogue(data)
    return [(problem.key, problem.fix) for problem in refused.value.problems]


def test_the_shortest_form_is_valid_as_it_is() -> None:
    catalogue = parse_catalogue(b'{"llama3-8b": {"container": "vllm-llama3-8b", "port": 8001, "type": "text"}}')
    entry = catalogue.models["llama3-8b"]
    assert (entry.container, entry.port, entry.type, entry.source) == ("vllm-llama3-8b", 8001, (ModelType.TEXT,), None)


def test_the_shipped_catalogue_has_the_models_people_expect_and_one_default_for_text() -> None:
    catalogue = parse_catalogue((ROOT / "models.json").read_bytes())
    assert {"smollm2", "llama3-8b", "qwen2.5-14b-awq", "deepseek-coder", "qwen3-4b"} <= set(catalogue.models)
    assert catalogue.default_for(ModelType.TEXT) == "smollm2"
    assert catalogue.models["llama3-8b"].requires.gpus == 1


def test_the_published_schema_is_the_one_that_the_code_makes() -> None:
    assert json.loads((ROOT / "models.schema.json").read_text()) == catalogue_schema()


def test_a_model_may_have_several_types_and_names() -> None:
    catalogue = parse_catalogue(b'{"a": {"type": ["image", "edit"], "aliases": ["gpt-image-1", "org/a:latest"]}}')
    assert catalogue.models["a"].type == (ModelType.IMAGE, ModelType.EDIT)
    assert [catalogue.resolve(name) for name in ("a", "gpt-image-1", "org/a:latest", "b")] == ["a", "a", "a", None]


def test_a_byte_order_mark_of_a_windows_editor_is_read_past() -> None:
    assert "a" in parse_catalogue(b'\xef\xbb\xbf{"a": {"type": "text"}}').models


@pytest.mark.parametrize(
    ("document", "key", "fix"),
    [
        ({"a": {"type": "txt"}}, "a.type", "'text'"),
        ({"a": {}}, "a.type", "required"),
        ({"a": {"type": []}}, "a.type", "at least one"),
        ({"a": {"type": "text", "prot": 1}}, "a.prot", "no such key"),
        ({"a": {"type": "text", "port": 70000}}, "a.port", "65535"),
        ({"a": {"type": "text", "memory": "lots"}}, "a.memory", "8GiB"),
        ({"a": {"type": "text", "source": "../../etc"}}, "a.source", "hub repository"),
        ({"a": {"type": "text", "source": "/etc"}}, "a.source", "hub repository"),
        ({"a": {"type": "text", "container": "a;b"}}, "a.container", "pattern"),
        ({"a b": {"type": "text"}}, "a b", "letters, digits"),
        ({"a": {"type": "text", "default_for": "image"}}, "a", "only name types"),
        ({"a": {"type": "text"}, "b": {"type": "text", "aliases": ["a"]}}, "b.aliases", "taken by a"),
        (
            {"a": {"type": "text", "default_for": "text"}, "b": {"type": "text", "default_for": "text"}},
            "b.default_for",
            "taken by a",
        ),
        ({"a": {"type": "text", "container": "c"}, "b": {"type": "text", "container": "c"}}, "b.container", "taken"),
        (["a"], "the file", "one key per model"),
        (b'{"a": {"type": "text"}, "a": {"type": "text"}}', "the file", "stands twice"),
        ({"a": {"type": "text", "memory": 10**400}}, "a.memory", "amount of memory"),
        (b'{"a": {"type": "te', "the file", "Unterminated"),
        (b"\xff\xfe{}", "the file", "utf-8"),
        (b"[" * 100_000, "the file", ""),
        (b" " * (MAXIMUM_BYTES + 1), "the file", "under"),
    ],
)
def test_a_bad_file_is_refused_with_key_and_fix(document: object, key: str, fix: str) -> None:
    found = problems(document)
    assert any(at == key and fix in words for at, words in found), found


def test_a_key_that_stands_twice_among_very_many_is_found_soon() -> None:
    keys = ", ".join(f'"k{number}": 1' for number in (*range(200_000), 199_999))
    assert "'k199999' stands twice" in problems(f"{{{keys}}}".encode())[0][1]


def test_every_problem_of_a_file_is_told_at_once() -> None:
    assert [key for key, _ in problems({"a": {"type": "x"}, "b": {"type": "text", "port": 0}})] == ["a.type", "b.port"]
