"""`roundhouse keys`: API keys, made, listed and revoked with an admin's key."""

from typing import Annotated

import typer
from pydantic import ValidationError
from rich.markup import escape
from rich.table import Table

from cli.connect import KeyFileOption, client_for, new_console, settings_for
from cli.failures import Failure
from cli.views import table_of
from contract.keys import NO_LIMITS, KeyInfo, KeyLimits, KeyWish

app = typer.Typer(no_args_is_help=True, help="API keys: made, listed, revoked.")

NO_LIMIT = "none: as many as there are"


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    *,
    user: Annotated[str | None, typer.Option(help="Whose it is; several keys may be one user's.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="It may control the server, too.")] = False,
    model: Annotated[list[str] | None, typer.Option(help="A model that it may use; again for more; none: all.")] = None,
    rpm: Annotated[int | None, typer.Option(min=1, help=f"Requests per minute; {NO_LIMIT}.")] = None,
    tpm: Annotated[int | None, typer.Option(min=1, help=f"Tokens per minute; {NO_LIMIT}.")] = None,
    concurrent: Annotated[int | None, typer.Option(min=1, help=f"Requests at a time; {NO_LIMIT}.")] = None,
    user_rpm: Annotated[int | None, typer.Option(min=1, help="The same for all keys of the user together.")] = None,
    user_tpm: Annotated[int | None, typer.Option(min=1, help="The same.")] = None,
    user_concurrent: Annotated[int | None, typer.Option(min=1, help="The same.")] = None,
    key_file: KeyFileOption = None,
) -> None:
    """Make a key and print it: it is shown this once."""
    limits, shared = _limits(rpm, tpm, concurrent), _limits(user_rpm, user_tpm, user_concurrent)
    wish = _wish(
        name=name,
        user=user,
        admin=admin,
        models=tuple(model) if model else None,
        limits=limits,
        user_limits=shared if shared != NO_LIMITS else None,
    )
    created = client_for(settings_for(key_file=key_file)).create_key(wish)
    typer.echo(created.key)
    typer.echo(f"Key {created.id} was made. Keep the line above: it cannot be shown again.", err=True)


@app.command("list")
def show(key_file: KeyFileOption = None) -> None:
    """Every key, its scope, its limits and what it used; the revoked, too."""
    new_console().print(key_table(client_for(settings_for(key_file=key_file)).keys()))


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="A key's id, as `roundhouse keys list` shows it.")],
    key_file: KeyFileOption = None,
) -> None:
    """End a key: within a second no request is begun with it; what is in flight finishes."""
    info = client_for(settings_for(key_file=key_file)).revoke_key(key_id)
    typer.echo(f"Key {info.id} ({info.name}) is revoked.")


def key_table(keys: tuple[KeyInfo, ...]) -> Table:
    """Keys, one a line; amounts are of the key's whole life."""
    table = table_of(
        "id", "name", "user", "may use", "limits", "requests", "tokens", "state", wrapped={"name", "may use", "limits"}
    )
    for key in keys:
        requests = sum(used.requests for used in key.usage)
        tokens = sum(used.prompt_tokens + used.completion_tokens for used in key.usage)
        state = "in force" if key.revoked is None else "revoked"
        cells = (key.id, key.name, key.user or "", _scope(key), _shown(key), str(requests), str(tokens), state)
        table.add_row(*map(escape, cells))
    return table


def _scope(key: KeyInfo) -> str:
    models = "all models" if key.models is None else ", ".join(key.models) or "no model"
    return f"{models}, control" if key.admin else models


def _shown(key: KeyInfo) -> str:
    own, shared = _amounts(key.limits), _amounts(key.user_limits)
    return "; ".join(filter(None, (own, f"user: {shared}" if shared else "")))


def _amounts(limits: KeyLimits) -> str:
    """`60 requests/min, 2 at a time`."""
    amounts = {
        "requests/min": limits.requests_per_minute,
        "tokens/min": limits.tokens_per_minute,
        "at a time": limits.concurrent_requests,
    }
    return ", ".join(f"{amount} {what}" for what, amount in amounts.items() if amount is not None)


def _limits(rpm: int | None, tpm: int | None, concurrent: int | None) -> KeyLimits:
    return KeyLimits(requests_per_minute=rpm, tokens_per_minute=tpm, concurrent_requests=concurrent)


def _wish(**fields: object) -> KeyWish:
    if fields["user_limits"] is not None and fields["user"] is None:
        raise Failure("limits of a user need a user", "Name whose key it is: --user NAME")
    try:
        return KeyWish.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Failure(f"{where}: {first['msg']}", "See `roundhouse keys create --help`.") from error
