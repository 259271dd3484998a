"""`coterie key`: make, list and revoke the API keys that are kept in the store."""

from typing import Annotated

import typer

from orchestrator.cli import options, running

key = typer.Typer(
    no_args_is_help=True,
    help="Make, list and revoke API keys.\n\nThey are kept in the store of CONFIG, as hashes;"
    " gateways that run on it follow within seconds. With --url, a running service is asked.",
)
Name = Annotated[str, typer.Argument(help="The key's owner, for logs, files and batches.")]
Url = Annotated[
    str | None,
    typer.Option(
        help="A running service to ask, with an administrator's key; then CONFIG is not read."
    ),
]


@key.command()
def create(
    name: Name,
    config: options.Config = options.DEFAULT_CONFIG,
    url: Url = None,
    api_key: options.ApiKey = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            help="A model that the key may ask, or a pattern such as 'pool/*'; may be"
            " repeated. Default: all."
        ),
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Most requests in a minute. Default: no limit.")
    ] = None,
    tokens_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Most tokens in a minute. Default: no limit.")
    ] = None,
    max_in_flight: Annotated[
        int | None, typer.Option(min=1, help="Most requests at once. Default: no limit.")
    ] = None,
    tokens_per_day: Annotated[
        int | None, typer.Option(min=1, help="Most tokens in a day (UTC). Default: no limit.")
    ] = None,
    price_per_day: Annotated[
        float | None, typer.Option(help="Most US dollars in a day (UTC). Default: no limit.")
    ] = None,
    request_class: Annotated[
        str | None, typer.Option("--class", help="The class of requests that choose none.")
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="The key may change the service.")] = False,
) -> None:
    """Make a key and print it, this once.

    Once there is a key, every request needs one: make the first one with --admin, for yourself.
    """
    terms = {
        "models": models or None,
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "max_in_flight": max_in_flight,
        "tokens_per_day": tokens_per_day,
        "price_per_day": price_per_day,
        "class": request_class,
        "admin": admin or None,
    }
    given = {name: value for name, value in terms.items() if value is not None}
    running.call("orchestrator.cli.keys.keys:create", name, given, config, url, api_key)


@key.command()
def revoke(
    name: Name,
    config: options.Config = options.DEFAULT_CONFIG,
    url: Url = None,
    api_key: options.ApiKey = None,
) -> None:
    """Let a key open nothing any more."""
    running.call("orchestrator.cli.keys.keys:revoke", name, config, url, api_key)


@key.command("list")
def list_keys(
    config: options.Config = options.DEFAULT_CONFIG,
    url: Url = None,
    api_key: options.ApiKey = None,
    as_json: options.AsJson = False,
) -> None:
    """List all keys, and what they may ask."""
    running.call("orchestrator.cli.keys.keys:show", config, url, api_key, as_json)
