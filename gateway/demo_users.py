"""The people of the development issuer: two tenants, every role; the password of each is his name."""

from dataclasses import dataclass

DEMO, OTHER = "demo", "acme"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can log in at the development issuer."""

    name: str
    tenant: str
    roles: tuple[str, ...]
    display_name: str
    pool: str = "main"

    def claims(self) -> dict[str, object]:
        """Return what a token says of him."""
        claims: dict[str, object] = {
            "sub": self.name,
            "tenant": self.tenant,
            "roles": list(self.roles),
            "name": self.display_name,
            "pool": self.pool,
        }
        return claims | {"agent_id": self.name} if "agent" in self.roles else claims


USERS: dict[str, User] = {
    user.name: user
    for user in (
        *(User(f"agent{n}", DEMO, ("agent",), f"Agent {n}") for n in range(1, 13)),
        User("supervisor1", DEMO, ("supervisor",), "Supervisor 1"),
        User("admin1", DEMO, ("admin",), "Administrator 1"),
        User("qa1", DEMO, ("qa",), "Quality 1"),
        User("manager1", DEMO, ("manager",), "Manager 1"),
        User("analyst1", DEMO, ("analyst",), "Analyst 1"),
        User("adapter1", DEMO, ("adapter",), "Channel adapter 1"),
        User("customer1", DEMO, ("customer",), "Customer 1"),
        User("acme-agent1", OTHER, ("agent",), "Acme agent 1"),
        User("acme-supervisor1", OTHER, ("supervisor",), "Acme supervisor 1"),
        User("acme-admin1", OTHER, ("admin",), "Acme administrator 1"),
        User("acme-adapter1", OTHER, ("adapter",), "Acme channel adapter 1"),
        User("acme-customer1", OTHER, ("customer",), "Acme customer 1"),
    )
}
