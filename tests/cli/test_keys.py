"""`roundhouse keys`, against a scripted proxy."""

import json

from contract.keys import KeyCreated, KeyInfo, KeyLimits, KeyList, ModelUsage
from tests.cli.scripted_proxy import Answer, error_answer, scripted_proxy
from tests.cli.test_verbs import roundhouse

INFO = KeyInfo(
    id="0a1b",
    name="laptop",
    user="ann",
    admin=False,
    models=("small",),
    limits=KeyLimits(requests_per_minute=60, concurrent_requests=2),
    user_limits=KeyLimits(tokens_per_minute=9000),
    created=1,
    revoked=None,
    usage=(ModelUsage(model="small", requests=7, prompt_tokens=10, completion_tokens=20),),
)
CREATED = KeyCreated(key="rh-0a1b-secret", **INFO.model_dump())


def test_create_sends_what_was_wished_and_prints_the_key_alone_on_its_output() -> None:
    with scripted_proxy({"POST /admin/keys": Answer((CREATED.model_dump_json(),), 201)}) as proxy:
        options = ("--user", "ann", "--model", "small", "--model", "large", "--rpm", "60", "--user-tpm", "9000")
        result = roundhouse(proxy.base_url, "keys", "create", "laptop", *options, ROUNDHOUSE_API_KEY="an-admins-key")
    assert (result.returncode, result.stdout) == (0, "rh-0a1b-secret\n")
    assert "cannot be shown again" in result.stderr
    assert proxy.keys == ["Bearer an-admins-key"]
    none = {"requests_per_minute": None, "tokens_per_minute": None, "concurrent_requests": None}
    assert proxy.bodies == [
        {
            "name": "laptop",
            "user": "ann",
            "admin": False,
            "models": ["small", "large"],
            "limits": {**none, "requests_per_minute": 60},
            "user_limits": {**none, "tokens_per_minute": 9000},
        }
    ]


def test_list_shows_scope_limits_use_and_state_and_no_secret() -> None:
    ended = INFO.model_copy(update={"id": "ff00", "models": None, "admin": True, "revoked": 5, "usage": ()})
    listed = KeyList(keys=(INFO, ended)).model_dump_json()
    with scripted_proxy({"GET /admin/keys": Answer((listed,))}) as proxy:
        result = roundhouse(proxy.base_url, "keys", "list", COLUMNS="220")
    assert result.returncode == 0
    _, first, second = result.stdout.splitlines()
    for text in ("0a1b", "laptop", "ann", "small", "60 requests/min, 2 at a time; user: 9000 tokens/min", "in force"):
        assert text in first
    assert first.split()[-4:-2] == ["7", "30"]
    assert "all models, control" in second
    assert second.split()[-1] == "revoked"


def test_revoke_names_what_it_ended_and_an_id_cannot_leave_its_path() -> None:
    answers = {
        "DELETE /admin/keys/0a1b": Answer((INFO.model_copy(update={"revoked": 5}).model_dump_json(),)),
        "DELETE /admin/keys/..%2Fmodels": error_answer(404, "not_found", "There is no key ../models."),
    }
    with scripted_proxy(answers) as proxy:
        result = roundhouse(proxy.base_url, "keys", "revoke", "0a1b")
        astray = roundhouse(proxy.base_url, "keys", "revoke", "../models")
    assert (result.returncode, result.stdout) == (0, "Key 0a1b (laptop) is revoked.\n")
    assert astray.returncode == 1
    assert "There is no key" in astray.stderr


def test_what_makes_no_sense_is_refused_before_anything_is_sent() -> None:
    with scripted_proxy({}) as proxy:
        for arguments in (("",), ("a", "--user-rpm", "5"), ("a" * 65,), ("a", "--rpm", "0")):
            result = roundhouse(proxy.base_url, "keys", "create", *arguments)
            assert result.returncode != 0
            assert "Traceback" not in result.stderr
    assert proxy.asked == []


def test_the_proxys_refusal_is_told_in_its_own_words() -> None:
    refusal = error_answer(409, "admin_key_required", "Without an admin's key nobody could use /admin/*.")
    with scripted_proxy({"POST /admin/keys": refusal}) as proxy:
        result = roundhouse(proxy.base_url, "keys", "create", "laptop")
    assert result.returncode == 1
    assert "Without an admin's key" in result.stderr
    assert json.dumps(proxy.bodies).count("laptop") == 1
