"""`aws-masker vault`: look after the mappings in Redis."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from getpass import getuser
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson

from kong_plugins.aws_masker.cli.edge import FOUND, write
from kong_plugins.aws_masker.cli.options import config_option, format_option, key_options
from kong_plugins.aws_masker.config import load_settings
from kong_plugins.aws_masker.keys import load_key
from kong_plugins.aws_masker.observe.logs import configure
from kong_plugins.aws_masker.settings import Settings
from kong_plugins.aws_masker.vault.choice import keyring_of, store_of
from kong_plugins.aws_masker.vault.records import Keyring
from kong_plugins.aws_masker.vault.store import Store

EPILOG = """
Where Redis is, and the keys, come from the same settings and variables as the proxy's.

\b
Examples:
  REDIS_HOST=redis.internal aws-masker vault stats
  aws-masker vault restore --tenant consumer:5f6e --operator jane --reason "incident 4711" i-0f3a...
"""
_TENANT_HELP = "As the proxy's tenant header has it; with Kong consumer:ID or namespace:NAME."

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _user() -> str:
    """Return the name under which the operator is known to this machine."""
    try:
        return getuser()
    except (KeyError, OSError):  # in a container: a number without a name
        return f"uid {os.getuid()}"


def _audit_options(required: bool) -> Callable[[_Command], _Command]:
    """Add `--operator` and `--reason`, which the audit trail keeps; the command gets two texts."""
    optional: dict[str, Any] = {} if required else {"default": _user, "show_default": "the user of this machine"}

    def add(command: _Command) -> _Command:
        command = click.option(
            "--reason", required=required, default=None if required else "", help="Why; kept in the audit trail."
        )(command)
        return click.option("--operator", required=required, help="Who; kept in the audit trail.", **optional)(command)

    return add


@click.group(short_help="Look after the mappings in Redis.", epilog=EPILOG)
def vault() -> None:
    """Look after the mappings in Redis: count, re-encrypt, forget, restore one."""


@vault.command()
@config_option
@key_options
@format_option("text", "json")
def stats(*, config: Path | None, key_file: Path | None, form: str) -> None:
    """Count tenants, records and the keys that they are encrypted with."""
    store, keyring, _ = _opened(config, key_file)
    found: Counter[str] = Counter(tenants=0, records=0, under_old_keys=0, unreadable=0)
    for tenant_id in store.tenant_ids():
        found["tenants"] += 1
        for field, record in _records(store, tenant_id).items():
            opened = keyring.sealer(tenant_id).open(field, record)
            found["records"] += 1
            found["unreadable"] += opened is None
            found["under_old_keys"] += opened is not None and not opened.current
    memory = store.info("memory")
    shown = dict(found) | {"memory_policy": str(memory.get("maxmemory_policy", "unknown"))}
    if form == "json":
        write(orjson.dumps(shown, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    else:
        click.echo("\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in shown.items()))


@vault.command()
@config_option
@key_options
@_audit_options(required=False)
def rotate(*, config: Path | None, key_file: Path | None, operator: str, reason: str) -> None:
    """Encrypt all records with the present vault key, those under earlier keys being read with them.

    Can run while requests are served, and again if it was broken off. Afterwards the earlier keys are not needed.
    """
    store, keyring, settings = _opened(config, key_file)
    _audit(store, settings, operator, reason, route="aws-masker vault rotate", decision="rotated")
    done = 0
    for tenant_id in store.tenant_ids():
        sealer = keyring.sealer(tenant_id)
        for page in store.pages(tenant_id):
            resealed = ((field, record, sealer.reseal(field, record)) for field, record in page.items())
            items = [(field, record, new) for field, record, new in resealed if new is not None]
            done += store.reseal(tenant_id, items) if items else 0
    store.reseal_check()
    click.echo(f"{done} records written anew")


@vault.command()
@config_option
@key_options
@_audit_options(required=False)
@click.argument("tenant")
def forget(*, config: Path | None, key_file: Path | None, operator: str, reason: str, tenant: str) -> None:
    """Forget all mappings of TENANT, in Redis and in all running processes.

    Placeholders in conversations that go on can no longer be restored.
    """
    store, keyring, settings = _opened(config, key_file)
    tenant_id = keyring.tenant_id(tenant)
    told = {"tenant": tenant_id, "route": "aws-masker vault forget", "decision": "forgotten"}
    _audit(store, settings, operator, reason, **told)
    count = store.forget(tenant_id, settings.mapping_ttl)
    click.echo(f"{count} records forgotten")


@vault.command()
@config_option
@key_options
@click.option("--tenant", required=True, help=_TENANT_HELP)
@_audit_options(required=True)
@click.argument("placeholder")
@click.pass_context
def restore(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    config: Path | None,
    key_file: Path | None,
    tenant: str,
    operator: str,
    reason: str,
    placeholder: str,
) -> None:
    """Print what PLACEHOLDER stands for. Who asks must hold the keys, and is kept in the audit trail first.

    Exit status 1 if it stands for nothing that is known.
    """
    store, keyring, settings = _opened(config, key_file)
    tenant_id = keyring.tenant_id(tenant)
    sealer = keyring.sealer(tenant_id)
    field = sealer.field(placeholder.encode())
    record = store.record(tenant_id, field)
    opened = None if record is None else sealer.open(field, record)
    _audit(
        store,
        settings,
        operator,
        reason,
        tenant=tenant_id,
        families=opened.entry.family if opened else "",
        count=1 if opened else 0,
        route="aws-masker vault restore",
        decision="restored" if opened else "unknown placeholder",
    )
    if opened is None:
        click.echo("no such placeholder is known for that tenant", err=True)
        context.exit(FOUND)
    write(opened.entry.value + b"\n")


def _audit(store: Store, settings: Settings, operator: str, reason: str, **fields: str | int) -> None:
    """Write who does what and why into the audit trail; to be called before it is done."""
    entry = {"who": operator, "when": int(time.time() * 1000), **fields, "reason": reason}
    store.audit(entry, settings.audit_max_entries)


def _opened(config: Path | None, key_file: Path | None) -> tuple[Store, Keyring, Settings]:
    """Return the records, the keys and the settings. Raises ConfigError."""
    configure()
    settings = load_settings(config)
    keyring = keyring_of(settings, os.environ, load_key(os.environ, key_file))
    store = store_of(settings, os.environ, keyring)
    click.get_current_context().call_on_close(store.close)  # whatever happens, even with an error on its way out
    return store, keyring, settings


def _records(store: Store, tenant_id: str) -> dict[bytes, bytes]:
    """Return all records of a tenant, each once."""
    return {field: record for page in store.pages(tenant_id) for field, record in page.items()}
