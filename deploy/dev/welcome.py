"""What `make up` says at its end: where to look and how to log in."""

from itertools import groupby

from deploy.dev.settings import LocalSettings
from gateway.demo_users import DEMO, USERS


def welcome(settings: LocalSettings) -> str:
    """Return the text, for the addresses in use."""
    gateway = f"http://127.0.0.1:{settings.gateway_port}"
    return f"""
  Gateway      {gateway}
  API          {gateway}/docs    (OpenAPI: {gateway}/openapi.json)
  A token      curl -d grant_type=password -d username=agent1 -d password=agent1 {gateway}/oidc/token
  Broker       {settings.kafka_address}
  MongoDB      {settings.mongo_address}
  Data, logs   {settings.home}

  Demo users of tenant {DEMO} (the password is the name)
{demo_users()}

  make demo    two hours of business in a few minutes, counted twice
  make status  what runs       make logs NAME=routing       make down
"""


def demo_users() -> str:
    """Return the people of the demo tenant, those with the same roles in one line."""
    lines = []
    for roles, alike in groupby(
        (user for user in USERS.values() if user.tenant == DEMO), lambda each: each.roles
    ):
        names = [each.name for each in alike]
        shown = names[0] if len(names) == 1 else f"{names[0]} ... {names[-1]}"
        lines.append(f"    {shown:<22} {', '.join(roles)}")
    return "\n".join(lines)
