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


class Told(BaseModel):
    """What is read of the error object in a stream."""

    message: str
    origin: str = "proxy"

    @property
    def failure(self) -> Failure:
        return Failure(self.message, f"The {self.origin} says so; ./setup.sh models shows every model.")


class Chunk(BaseModel):
    """What is read of one event of a chat stream."""

    choices: tuple[_Choice, ...] = ()
    error: Told | None = None


def ask(client: Client, settings: CliSettings, steps: Steps) -> str:
    """Asks the default text model, showing how its load goes; the answer. Raises Failure."""
    with steps.step("first answer") as step:
        model = default_model(client.models(), ModelType.TEXT)
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


def default_model(models: Iterable[ModelStatus], kind: ModelType) -> str:
    """The model that answers for a type when a request names none. Raises Failure with the fix."""
    here = [model for model in models if kind in model.default_for]
    if not here:
        raise Failure(
            f"no model in models.json is the default for {kind}", f'Give one of them "default_for": "{kind}".'
        )
    if here[0].state is ModelState.UNAVAILABLE:
        remedy = f"Make a smaller model the default for {kind}."
        raise Failure(f"{here[0].name} cannot run here: {here[0].reason}", remedy)
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
        raise chunk.error.failure
    return "".join(choice.delta.content or "" for choice in chunk.choices)
