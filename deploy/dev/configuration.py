"""
Move a configuration of routing between installations as a file, through the gateway.

python -m deploy.dev.configuration export routing.yaml --tenant demo
python -m deploy.dev.configuration import routing.yaml --tenant acme --dry-run

Exits with 2 where it could not be done. A token of one's own is taken from TRUNKLINE_TOKEN; without one an
administrator of the development issuer asks.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.dev.audit import administrator_of
from deploy.dev.demo.door import Door, DoorClosed, Json

PATH = "/v1/routing/configuration"


async def token_of(door: Door, tenant: str) -> str:
    return os.environ.get("TRUNKLINE_TOKEN") or await door.token(administrator_of(tenant))


async def exported(door: Door, tenant: str) -> str:
    """Return what is configured as YAML."""
    return await door.get_text(PATH, await token_of(door, tenant))


async def taken_over(door: Door, tenant: str, text: str, *, dry_run: bool, prune: bool) -> Json:
    """Take a file over and return what that changes. :raises DoorClosed: it is refused; the text says why."""
    path = f"{PATH}?dry_run={str(dry_run).lower()}&prune={str(prune).lower()}"
    return await door.send_text("POST", path, await token_of(door, tenant), text, "application/yaml")


def lines_of(answer: Json) -> Iterator[str]:
    """Yield the changes for people to read, one line a thing and one a field."""
    for each in answer["changes"]:
        name = "/".join(filter(None, (each["section"], each["pool_id"], each["item_id"])))
        yield f"{each['change']} {name}"
        for field in each["fields"]:
            yield f"    {field['field']}: {field.get('before', '-')} -> {field.get('after', '-')}"
    stay = f"; {answer['not_in_file']} that the file does not have stay" if answer["not_in_file"] else ""
    done = "would change" if answer["dry_run"] else "changed"
    yield f"{len(answer['changes'])} {done}{stay}; version {answer['version']}"


async def main(chosen: argparse.Namespace) -> None:
    door = Door(chosen.url)
    try:
        if chosen.what == "export":
            text = await exported(door, chosen.tenant)
            await asyncio.to_thread(chosen.file.write_text, text, "utf-8")
            print(f"{chosen.file}: {len(text.splitlines())} lines")
            return
        text = await asyncio.to_thread(chosen.file.read_text, "utf-8")
        answer = await taken_over(door, chosen.tenant, text, dry_run=chosen.dry_run, prune=chosen.prune)
        print(*lines_of(answer), sep="\n")
    finally:
        await door.close()


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Move a configuration of routing as a file.")
    parser.add_argument("what", choices=("export", "import"))
    parser.add_argument("file", type=Path)
    port = os.environ.get("TRUNKLINE_GATEWAY_PORT", "8080")
    parser.add_argument("--url", default=f"http://127.0.0.1:{port}")
    parser.add_argument("--tenant", default="demo")
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    parser.add_argument("--prune", action="store_true", help="remove what the file does not have")
    return parser


if __name__ == "__main__":
    try:
        asyncio.run(main(arguments().parse_args()))
    except (DoorClosed, OSError) as problem:
        print(f"Not done: {problem}", file=sys.stderr)
        sys.exit(2)
