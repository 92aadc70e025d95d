"""What is written of a request: enough to find it again, and nothing of what it held (hazard B11)."""

import io
import json
import time
from pathlib import Path

import pytest

from proxy.access_log import AccessLog, LogForm
from tests.proxy.world import Raw, World, text_of, until, world

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
KEY = "canary-key-of-many-characters"
CANARY = "canary"


def entries(text: str) -> list[dict[str, object]]:
    """The lines that are JSON objects: what else is written is for people."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


async def test_as_json_each_request_is_one_object_with_these_fields_and_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.time()
    async with world(tmp_path, access_log="json") as w:
        await w.post(f"{CHAT}?q=hidden", b'{"model":"little"}', "x-request-id: one")
        await w.get("/v1/nothing", "x-request-id: two")
    first, second = entries(capsys.readouterr().out)
    assert set(first) == {"time", "method", "path", "status", "milliseconds", "request_id", "model", "code", "trace_id"}
    assert (first["method"], first["path"], first["status"]) == ("POST", CHAT, 200)
    assert (first["request_id"], first["model"], first["code"]) == ("one", "small", None)
    assert (second["status"], second["model"], second["code"]) == (404, None, "not_found")
    assert began - 1 < float(str(first["time"])) < time.time() + 1
    assert 0 < float(str(first["milliseconds"])) < 10_000


async def test_a_path_cannot_forge_a_line_in_either_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("line", "json"):
        async with world(tmp_path, access_log=form) as w:
            await w.get('/v1/a%0a{"status":200}%22%0d', "x-request-id: forged")
            await w.request(b'GET /v1/%e2%80%a8"\\ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
        out = capsys.readouterr().out
        assert len(out.splitlines()) == 2
        if form == "json":
            assert [each["status"] for each in entries(out)] == [404, 404]


@pytest.mark.parametrize("form", ["line", "json"])
async def test_who_left_and_a_stream_that_broke_are_logged_as_what_they_were(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: LogForm
) -> None:
    async with world(tmp_path, access_log=form) as w:
        stream = await w.stream(hang_after=1)
        await stream.close()
        await until(lambda: "<Traffic 0 in flight>" in repr(w.proxy.traffic))
        broken = await w.post(CHAT, b'{"model":"small","stream":true,"fake":{"die_after":2}}')
        assert broken.status == 200
    left, died = capsys.readouterr().out.splitlines()
    assert "499" in left
    assert "client_left" in left
    assert "502" in died
    assert "engine_error" in died


def test_lines_gather_and_are_written_once() -> None:
    out = io.StringIO()
    log = AccessLog(out, "json")
    log.flush()
    assert out.getvalue() == ""


async def every_failure(w: World) -> list[Raw]:
    """A canary in every place that a caller can write to, on every way that a request can end."""
    key = f"authorization: Bearer {KEY}"
    prompt = '{"model":"%s","messages":[{"role":"user","content":"canary-prompt"}],"user":"canary-user"%s}'
    answers = [
        await w.post(CHAT, (prompt % (model, more)).encode(), key, "cookie: canary=1", "x-api-key: canary-key")
        for model, more in (
            ("small", ""),
            ("small", ',"stream":true'),
            ("small", ',"fake":{"status":500}'),
            ("small", ',"fake":{"die_after":0}'),
            ("small", ',"stream":true,"fake":{"die_after":1}'),
            ("small", ',"fake":{"garbage":"<canary>"}'),
            ("small", ',"temperature":NaN,"x":"canary"'),
            ("painter", ""),
            ("small", ',"api_key":"canary-key"'),
        )
    ]
    answers += [
        await w.post(CHAT, b'{"model":"small"}', "authorization: Bearer canary-wrong-key"),
        await w.post(f"{CHAT}?api_key={KEY}&prompt=canary", b"{", key),
        await w.post(CHAT, b"canary: not json", key, "content-type: text/plain"),
        await w.get("/v1/models?q=canary-query", key, "user-agent: canary", "referer: http://localhost/?canary"),
        await w.request(b"POST /v1/chat/completions HTTP/1.1\r\ncanary no colon\r\n\r\ncanary"),
        await w.get("/metrics", key),
    ]
    return answers


@pytest.mark.parametrize("form", ["line", "json"])
async def test_a_canary_is_in_no_log_no_error_and_no_metric(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, form: LogForm
) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    async with world(tmp_path, key_file=file, access_log=form) as w:
        for answer in await every_failure(w):
            assert CANARY not in answer.body.decode("latin-1").lower(), answer.body
            assert CANARY not in str(answer.headers).lower()
        client = w.client.with_options(api_key=KEY)
        stream = await client.chat.completions.create(
            model="small", messages=[{"role": "user", "content": "canary-prompt"}], stream=True
        )
        assert CANARY not in await text_of(stream)
    out, err = capfd.readouterr()
    assert len(out.splitlines()) >= 14
    for written in (out, err, caplog.text):
        assert CANARY not in written.lower()


async def test_a_fault_of_ours_does_not_write_the_prompt_into_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    async with world(tmp_path) as w:
        monkeypatch.setattr("proxy.gateway.directory.Directory.choose", fail)
        answer = await w.post(CHAT, b'{"model":"small","messages":[{"role":"user","content":"canary-prompt"}]}')
        assert answer.status == 500
    assert "a mistake of ours" in caplog.text
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", "400", "invalid_http"),
        (b"GET /%b HTTP/1.1\r\n\r\n" % (b"x" * 9000), "414", "uri_too_long"),
        (b"GET / HTTP/1.1\r\nx: %b\r\n\r\n" % (b"x" * 70_000), "431", "headers_too_large"),
    ],
)
async def test_bytes_that_are_no_request_are_logged_once_with_the_id_that_was_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, status: str, code: str
) -> None:
    async with world(tmp_path) as w:
        answer = await w.request(data)
        metrics = await w.get("/metrics")
    assert b'roundhouse_requests_total{path="other",model="",status="4xx"} 1\n' in metrics.body
    first, _ = capsys.readouterr().out.splitlines()
    assert first.split() == ["-", "-", status, "0.0ms", answer.headers["x-request-id"], "-", code]


TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


async def test_a_trace_goes_on_to_the_engine_and_into_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = f"00-{TRACE_ID}-{SPAN_ID}-01"
    async with world(tmp_path, access_log="json") as w:
        await w.post(CHAT, b'{"model":"small"}', f"traceparent: {trace}", "tracestate: canary=1")
        await w.post(CHAT, b'{"model":"small","stream":true}', f"traceparent: {trace}")
        await w.post(CHAT, b'{"model":"small"}')
        sent = [request.headers for request in w.engine.seen.requests]
    assert [headers.get("traceparent") for headers in sent] == [trace, trace, None]
    assert "tracestate" not in sent[0]
    assert [each["trace_id"] for each in entries(capsys.readouterr().out)] == [TRACE_ID, TRACE_ID, None]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "canary",
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-01-canary",
    ],
)
async def test_a_trace_that_is_none_goes_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    async with world(tmp_path, access_log="json") as w:
        assert (await w.post(CHAT, b'{"model":"small"}', f"traceparent: {value}")).status == 200
        assert "traceparent" not in w.engine.seen.requests[0].headers
    (entry,) = entries(capsys.readouterr().out)
    assert entry["trace_id"] is None
