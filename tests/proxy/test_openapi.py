"""The OpenAPI document says what is so: every route is in it, and nothing else."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.capabilities import ENDPOINT_TYPES, STREAMED
from contract.keep import TEXT_LIMIT, parse_keep
from proxy.access.paths import PUBLIC, PUBLIC_FOLDER, is_guarded
from proxy.endpoints import find_operations
from proxy.gateway.peeked import DENIED
from proxy.openapi.document import document
from proxy.openapi.jobs import VIDEOS
from proxy.openapi.operation import EVENTS, JSON, Operation
from proxy.openapi.rows import DURATION
from tests.fakes.faithful_engine import FaithfulEngine
from tests.proxy.keyed import keyed
from tests.proxy.world import until, world

pytestmark = pytest.mark.anyio
DOCUMENT = document(find_operations())
FAILURES = {"400", "401", "403", "404", "405", "413", "415", "429", "500", "502", "503", "504"}


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and what is told of them."""
    return [
        (method.upper(), path, told) for path, methods in DOCUMENT["paths"].items() for method, told in methods.items()
    ]


async def test_every_route_of_the_application_is_in_the_document_and_nothing_else(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        served = {(route.method, route.path) for route in w.proxy.routes}
        answer = await w.get("/openapi.json")
    assert {operation.served_by for operation in find_operations()} == served
    assert {(method, path) for method, path, _ in operations()} == {
        (operation.method, operation.path) for operation in find_operations()
    }
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert json.loads(answer.body) == DOCUMENT


async def test_every_path_of_a_description_reaches_its_route(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for operation in find_operations():
            path = re.sub(r"\{\w+\}", "page.css", operation.path)
            options = await w.get(path, method="OPTIONS")
            assert operation.method in options.headers["allow"], operation


async def test_the_document_needs_the_key_and_not_an_admins(tmp_path: Path) -> None:
    async with keyed(tmp_path) as k:
        key = await k.make()
        assert (await k.world.get("/openapi.json")).status == 401
        assert (await k.world.get("/openapi.json", key.header)).status == 200


def test_what_needs_a_key_says_so_and_the_public_list_is_the_frozen_one() -> None:
    public = {path for _, path, told in operations() if told["security"] == []}
    assert public == {*PUBLIC, f"{PUBLIC_FOLDER}{{file}}"} == {"/", "/health", "/ready", "/static/{file}"}
    for _, path, told in operations():
        assert is_guarded(path) == ("401" in told["responses"])


def test_the_rows_of_the_capability_table_name_the_types_that_serve_them() -> None:
    for path, types in ENDPOINT_TYPES.items():
        told = DOCUMENT["paths"][path]["post"]
        assert all(kind.value in told["summary"] for kind in types)
        of_engines = {"4XX", "502", "504"} if path != VIDEOS else set()  # a job asks its engine when it is its turn
        assert (FAILURES - {"405", "502", "504"}) | of_engines <= told["responses"].keys()


def test_the_rows_that_stream_say_so_and_no_other() -> None:
    assert ENDPOINT_TYPES.keys() >= STREAMED
    for path in ENDPOINT_TYPES:
        answers = DOCUMENT["paths"][path]["post"]["responses"]["200"]["content"]
        assert (EVENTS in answers) == (path in STREAMED)


async def test_where_nothing_streams_a_wish_for_it_is_the_engines_to_judge(tmp_path: Path) -> None:
    kinds = ["text", "embedding", "rerank"]
    async with FaithfulEngine() as engine, world(tmp_path) as w:
        w.manager.endpoints["all"] = engine.url
        await w.manager.change_catalogue({"all": {"type": kinds, "default_for": kinds}})
        await until(lambda: w.proxy.feed.directory is not None and "all" in w.proxy.feed.directory.statuses)
        for path in ENDPOINT_TYPES.keys() - STREAMED - {"/v1/images/variations", VIDEOS}:
            answer = await w.post(path, b'{"stream":true}')
            assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), path


CONTENTS = ("/v1/artifacts/{artifact_id}/content", "/v1/files/{file_id}/content", "/v1/videos/{video_id}/content")


def test_bytes_may_be_asked_for_in_parts_and_told_to_be_known_already() -> None:
    for path in CONTENTS:
        told = DOCUMENT["paths"][path]["get"]
        assert {"200", "206", "304", "416"} <= told["responses"].keys()
        assert {"range", "if-range", "if-none-match"} <= {each["name"] for each in told["parameters"]}
        assert {"etag", "accept-ranges", "content-range"} <= told["responses"]["206"]["headers"].keys()
        assert "content" not in told["responses"]["304"]


def test_signed_addresses_alone_open_without_a_key() -> None:
    signed = {(path, method) for method, path, told in operations() if {"signature": []} in told["security"]}
    one = "/v1/artifacts/{artifact_id}"
    assert signed == {(f"{one}/content", "GET"), (f"{one}/thumbnail", "GET")}


def test_what_is_kept_may_find_no_room() -> None:
    keeps = {"/v1/artifacts", "/v1/files", "/v1/uploads", "/v1/videos", *(f"/v1/images/{each}" for each in PICTURES)}
    for path in keeps:
        assert "507" in DOCUMENT["paths"][path]["post"]["responses"], path


PICTURES = {"generations": "PicturesOrJob", "edits": "Pictures", "variations": "Pictures"}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_may_be_told_by_their_addresses(name: str) -> None:
    told = DOCUMENT["paths"][f"/v1/images/{name}"]["post"]
    (body,) = told["requestBody"]["content"].values()
    schemas = DOCUMENT["components"]["schemas"]
    asked = schemas[body["schema"]["$ref"].rpartition("/")[2]]["properties"]["response_format"]
    assert "url" in json.dumps(asked)
    answer = schemas[PICTURES[name]]["anyOf"]
    kinds = {each["$ref"].rpartition("/")[2] for each in answer}
    assert {"ImagesResponse", "ImagesAt"} <= kinds
    assert ("ImageJob" in kinds) == (name == "generations")
    assert "url" in schemas["PictureAt"]["required"]
    assert "b64_json" not in schemas["PictureAt"]["properties"]


def test_each_failure_has_the_error_object() -> None:
    assert {failure.partition("_")[2][:3] for failure in DOCUMENT["components"]["responses"]} >= FAILURES
    for name, told in DOCUMENT["components"]["responses"].items():
        shape = "MessagesError" if name.endswith("messages") else "Error"
        assert told["content"] == {JSON: {"schema": {"$ref": f"#/components/schemas/{shape}"}}}
        assert "x-request-id" in told["headers"]


def test_a_body_that_the_engine_judges_takes_any_field_but_those_that_the_proxy_denies() -> None:
    content = DOCUMENT["paths"]["/v1/chat/completions"]["post"]["requestBody"]["content"]
    assert content == {JSON: {"schema": {"$ref": "#/components/schemas/PassedOn"}}}
    schema = DOCUMENT["components"]["schemas"]["PassedOn"]
    assert schema["additionalProperties"] is True
    assert {name for name, told in schema["properties"].items() if told.get("type") == "null"} == set(DENIED)
    assert "required" not in schema


@given(st.from_regex(DURATION.replace("$", r"\Z")))
def test_every_duration_of_the_document_is_one_that_the_proxy_takes(text: str) -> None:
    if len(text) <= TEXT_LIMIT:
        assert parse_keep(text) >= 0


@pytest.mark.parametrize("text", ["5m", "1h30m", "300ms", "-1", "0.5", "+7s"])
def test_the_usual_durations_are_in_the_document(text: str) -> None:
    assert re.search(DURATION, text)
    assert parse_keep(text) >= 0


def test_every_reference_leads_somewhere() -> None:
    def follow(value: object) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                found: Any = DOCUMENT
                for name in value["$ref"].removeprefix("#/").split("/"):
                    found = found[name]
            for inner in value.values():
                follow(inner)
        elif isinstance(value, list):
            for inner in value:
                follow(inner)

    follow(DOCUMENT)


def test_two_descriptions_of_one_operation_are_refused() -> None:
    twice = Operation("GET", "/x", "Twice.", {200: {}})
    with pytest.raises(ValueError, match="described twice"):
        document([twice, twice])
