"""Configuration files of nginx and LiteLLM."""

import json
from pathlib import Path

from benchmarks.gateway.question import MODEL, answer

_NGINX = """\
user root;
worker_processes 1;
daemon off;
pid {folder}/{name}.pid;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_max_body_size 64m;
    client_body_buffer_size 16m;
    client_body_temp_path {folder}/{name}-body;
    proxy_temp_path {folder}/{name}-proxy;
    fastcgi_temp_path {folder}/{name}-fastcgi;
    uwsgi_temp_path {folder}/{name}-uwsgi;
    scgi_temp_path {folder}/{name}-scgi;
{servers}}}
"""

_ANSWERER = """\
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        default_type application/json;
        location / {{ return 200 '{answer}'; }}
        location = /v1/models {{ return 200 '{models}'; }}
    }}
"""

_REVERSE_PROXY = """\
    upstream engine {{
        server {engine};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        location / {{
            proxy_pass http://engine;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
"""


def nginx_answerer(folder: Path, port: int) -> Path:
    """nginx that answers by itself, as fast as it can."""
    models = json.dumps(model_list(), separators=(",", ":"))
    return _nginx(folder, "answerer", _ANSWERER.format(port=port, answer=answer().decode(), models=models))


def nginx_reverse_proxy(folder: Path, port: int, engine: str) -> Path:
    """nginx that passes everything on, over connections that it keeps. It checks nothing and logs nothing."""
    return _nginx(folder, "nginx", _REVERSE_PROXY.format(port=port, engine=engine.removeprefix("http://")))


def model_list() -> dict[str, object]:
    """What an engine says at `/v1/models`."""
    model = {"id": MODEL, "object": "model", "created": 1, "owned_by": "vllm", "root": MODEL, "max_model_len": 4096}
    return {"object": "list", "data": [model]}


def litellm(folder: Path, engine: str, key: str) -> Path:
    """LiteLLM (YAML, of which JSON is a part) with one model and one key, without a database."""
    where = {"model": f"openai/{MODEL}", "api_base": f"{engine}/v1", "api_key": "none"}
    settings = {"telemetry": False, "set_verbose": False}
    document: dict[str, object] = {
        "model_list": [{"model_name": MODEL, "litellm_params": where}],
        "litellm_settings": settings,
    }
    document["general_settings"] = {"master_key": key}
    return _written(folder / "litellm.yaml", json.dumps(document))


def _nginx(folder: Path, name: str, servers: str) -> Path:
    return _written(folder / f"{name}.conf", _NGINX.format(folder=folder, name=name, servers=servers))


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
