"""
Print how the contacts of a running platform stand: python -m deploy.dev.audit --tenant demo

Exits with 1 where a rule is broken, with 2 where the platform does not answer. A token of one's own is taken
from TRUNKLINE_TOKEN; without one a user of the development issuer asks.
"""

import argparse
import asyncio
import os
import sys

from rich.console import Console
from rich.table import Table

from deploy.dev.demo.door import Door, DoorClosed, Json
from gateway.demo_users import USERS

SHOWN = 20  # breaches


async def main(url: str, tenant: str, console: Console) -> int:
    """Ask the gateway and print what it says; return what to exit with."""
    door = Door(url)
    try:
        token = os.environ.get("TRUNKLINE_TOKEN") or await door.token(administrator_of(tenant))
        audit = await door.get("/v1/audit", token)
        open_only: dict[str, str | int] = {"status": "open", "limit": SHOWN}
        breaches = (await door.get("/v1/audit/breaches", token, open_only))["items"]
    finally:
        await door.close()
    console.print(contacts_of(audit), rules_of(audit))
    if breaches:
        console.print(breaches_of(breaches))
    console.print(last_words(audit))
    return 0 if audit["verdict"] == "clean" else 1


def administrator_of(tenant: str) -> str:
    """Return the user of the development issuer who may ask for a tenant."""
    for user in USERS.values():
        if user.tenant == tenant and "admin" in user.roles:
            return user.name
    raise DoorClosed(f"nobody of tenant {tenant} can log in here; set TRUNKLINE_TOKEN")


def contacts_of(audit: Json) -> Table:
    contacts = audit["contacts"]
    table = Table("contacts", "", title="The ledger", title_justify="left")
    table.add_row("opened", str(contacts["opened"]))
    for outcome, number in sorted(contacts["closed"].items()):
        table.add_row(f"  {outcome}", str(number))
    table.add_row("open", str(contacts["open"]))
    if contacts["oldest_open_id"]:
        table.add_row("  the oldest", f"{contacts['oldest_open_id']}, {contacts['oldest_open_began_at']}")
    table.add_row("overdue", str(contacts["overdue"]))
    return table


def rules_of(audit: Json) -> Table:
    table = Table("rule", "says", "status", "breaches", title="The rules", title_justify="left")
    for rule in audit["rules"]:
        style = "" if rule["status"] == "ok" else "bold red"
        table.add_row(rule["id"], rule["title"], rule["status"], str(rule["breaches"]), style=style)
    return table


def breaches_of(breaches: list[Json]) -> Table:
    title = f"Breaches, the latest {SHOWN}"
    table = Table("rule", "subject", "what", "found", "events", title=title, title_justify="left")
    for each in breaches:
        links = "\n".join(event["href"] for event in each["events"])
        table.add_row(each["rule"], each["subject"], each["what"], each["found_at"], links)
    return table


def last_words(audit: Json) -> str:
    reading = audit["reading"]
    read = sum(each["read"] for each in reading["partitions"])
    said = [f"{read} records read.", "" if reading["settled"] else "The audit has not caught up yet."]
    if "judged_from" in reading:
        said.append(f"Contacts are judged from {reading['judged_from']} on.")
    said.append("No rule is broken." if audit["verdict"] == "clean" else "A rule is broken: docs/audit.md.")
    return " ".join(filter(None, said))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Say whether every contact is accounted for.")
    parser.add_argument(
        "--url", default=f"http://127.0.0.1:{os.environ.get('TRUNKLINE_GATEWAY_PORT', '8080')}"
    )
    parser.add_argument("--tenant", default="demo")
    chosen = parser.parse_args()
    try:
        sys.exit(asyncio.run(main(chosen.url, chosen.tenant, Console())))
    except DoorClosed as problem:
        print(
            f"Nothing can be said: {problem}\nIs the stack up? `make up`, then `make status`.",
            file=sys.stderr,
        )
        sys.exit(2)
