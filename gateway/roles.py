"""docs/roles.md: who may do what, written from the two tables that are kept (here and in libs.rpc_roles)."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway import permissions
from gateway.app import api, sockets
from gateway.openapi import describe
from libs import rpc_roles
from libs.rpc_caller import SERVICE_ROLE

FILE = Path("docs/roles.md")
ROLES = ("agent", "supervisor", "qa", "manager", "admin", "analyst", "adapter", "customer")
HEAD = """# Who may do what

Written by `python -m gateway.roles` from `gateway/permissions.py` and `libs/rpc_roles.py`; `make check`
fails where it is not what they say, and `tests/attacks/test_roles.py` sends every request with every role
to see that they are kept. What has no row is allowed to nobody. Rules finer than roles (an agent hears
recordings he took part in, a customer sees his own tickets, some see identities in part) stand in the
services.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join((HEAD, *_routes(), *_sockets(), *_rpcs()))


def _routes() -> Iterator[str]:
    yield from _table("Routes", ("Route", "Operation"), ROLES)
    for path, operations in describe(api())["paths"].items():
        for method, operation in operations.items():
            name = operation["operationId"]
            cells = (f"`{method.upper()} {path}`", name)
            if name in permissions.PUBLIC:
                yield _row((*cells, *("all" for _ in ROLES)))
            else:
                yield _row((*cells, *_marks(name, permissions.ALLOWED, ROLES)))
    yield ""
    yield "Without a token, for anybody: the start page, `/docs`, `/openapi.json`, the probes and, in a local"
    yield "environment, `/oidc/*`."
    yield ""


def _sockets() -> Iterator[str]:
    yield from _table("Sockets", ("Path",), ROLES)
    for route in sockets():
        yield _row((f"`{route.path}`", *_marks(route.name, permissions.ALLOWED, ROLES)))
    yield ""


def _rpcs() -> Iterator[str]:
    roles = (*ROLES, SERVICE_ROLE)
    yield from _table("RPCs", ("Method",), roles)
    for name in sorted(rpc_roles.ALLOWED):
        yield _row((f"`{name.removeprefix('trunkline.')}`", *_marks(name, rpc_roles.ALLOWED, roles)))
    yield ""
    yield "`service` is a service that acts for itself, such as self-service that looks something up."
    yield ""


def _table(title: str, names: tuple[str, ...], roles: tuple[str, ...]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield _row((*names, *roles))
    yield _row((*("---" for _ in names), *(":-:" for _ in roles)))


def _marks(name: str, table: Mapping[str, frozenset[str]], roles: tuple[str, ...]) -> Iterator[str]:
    allowed = table.get(name, frozenset())
    return ("yes" if role in allowed else "" for role in roles)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write docs/roles.md, or check that it is up to date.")
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        FILE.write_text(page(), "utf-8")
    elif FILE.read_text("utf-8") != page():
        sys.exit(f"{FILE} is not what the tables of roles say; run: python -m gateway.roles")


if __name__ == "__main__":
    main()
