"""The closing proof of a setup: a question to the running stack, by the way that every client takes."""

from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from cli.client import Client, ServerEvent
from cli.failures import Failure
from cli.settings import CliSettings
from cli.steps import Say, Steps
from contract.catalogue import ModelType
from contract.states import ModelState, ModelStatus

QUESTION = "What is the capital of France?"


class _Delta(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    delta: _Delta = _Delta()


class _Error(BaseModel):
    message: str
    origin: str = "proxy"


class Chunk(BaseModel):
    """What is read of one event of a chat stream."""

    choices: tuple[_Choice, ...] = ()
    error: _Error | None = None


def ask(client: Client, settings: CliSettings, steps: Steps) -> str:
    """Asks the default text model, showing how its load goes; the answer. Raises Failure."""
    with steps.step("first answer") as step:
        model = default_text_model(client.models())
        body: dict[str, object] = {
            "model": model,
            "messages": [{"role": "user", "content": QUESTION}],
            "temperature": 0,
            "max_tokens": 64,
        }
        answer = "".join(_texts(client.chat(body, settings.answer_deadline), step.say)).strip()
        if not answer:
            raise Failure(f"{model} answered nothing", f"See its log: ./setup.sh logs {model}")
        step.done(f"from {model}")
    return answer


def default_text_model(models: Iterable[ModelStatus]) -> str:
    """The model that answers for text when a request names none. Raises Failure with the fix."""
    here = [model for model in models if ModelType.TEXT in model.default_for]
    if not here:
        raise Failure("no model in models.json is the default for text", 'Give one of them "default_for": "text".')
    if here[0].state is ModelState.UNAVAILABLE:
        raise Failure(f"{here[0].name} cannot run here: {here[0].reason}", "Make a smaller model the default for text.")
    return here[0].name


def _texts(events: Iterable[ServerEvent], say: Say) -> Iterator[str]:
    """The text of a chat stream, piece by piece. Raises Failure at an error event, or where the stream breaks off."""
    for event in events:
        if event.name == "comment":
            say(event.data)
        elif event.data == "[DONE]":
            return
        else:
            yield _text(Chunk.model_validate_json(event.data))
    raise Failure("the answer broke off", "See the engine's log: ./setup.sh logs NAME")


def _text(chunk: Chunk) -> str:
    if chunk.error:
        raise Failure(chunk.error.message, f"The {chunk.error.origin} says so; ./setup.sh models shows every model.")
    return "".join(choice.delta.content or "" for choice in chunk.choices)
