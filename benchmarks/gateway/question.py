"""What is asked and what is answered, byte for byte the same whoever is in between."""

import json

MODEL = "small"
PATH = "/v1/chat/completions"
REQUEST_SIZE, ANSWER_SIZE = 1024, 300


def chat(*, stream: bool = False, pace: str = "") -> bytes:
    """A chat request of 1 kB. `pace` tells our engine how to stream, in the message, which every proxy passes."""
    empty = len(_request(stream, pace))
    text = "word " * (REQUEST_SIZE // 5)
    return _request(stream, pace + text[: REQUEST_SIZE - empty])


def chat_with_picture(url: str) -> bytes:
    """A chat request that holds a picture as a data URL."""
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    return json.dumps({"model": MODEL, "messages": [{"role": "user", "content": parts}]}).encode()


def pace(milliseconds: int, deltas: int, size: int = 0) -> str:
    """A delta every so often, so many, each padded with so many bytes; what `chat` carries to the engine."""
    return f"{milliseconds} ms, {deltas} deltas, {size} bytes: "


def answer() -> bytes:
    """A chat completion of 300 bytes, with the usage that a proxy may count."""
    usage = {"prompt_tokens": 200, "completion_tokens": 16, "total_tokens": 216}
    empty = len(_completion("", usage))
    return _completion("x" * (ANSWER_SIZE - empty), usage)


def _completion(text: str, usage: dict[str, int]) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    document = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL}
    return json.dumps({**document, "choices": [choice], "usage": usage}, separators=(",", ":")).encode()


def _request(stream: bool, text: str) -> bytes:
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": MODEL, "messages": messages, "max_tokens": 64, "stream": stream}).encode()
