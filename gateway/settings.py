"""The settings of the gateway."""

from libs.settings import Settings


class GatewaySettings(Settings):
    """Read as TRUNKLINE_<NAME>; an empty issuer means the development issuer, in a local environment only."""

    oidc_issuer: str = ""
    oidc_audience: str = "trunkline"
    oidc_jwks_url: str = ""  # empty: as the issuer's discovery document says

    # Where clients reach the gateway, the same for all replicas: the development issuer's name.
    gateway_public_url: str = ""  # empty: http://127.0.0.1:<gateway_port>
    gateway_token_s: int = 3600  # lifetime of tokens of the development issuer and of visitors
    gateway_chat_tenants: str = ""  # tenants whose chat anybody may use, by comma; local: the demo tenants
    gateway_events_per_s: int = 50_000  # of one tenant, per process
    gateway_requests_per_s: int = 200  # of one person or machine, per process
    gateway_visitors_per_s: int = 100  # new visitors from one address, per process
    gateway_commands_per_s: int = 20  # of one socket
    gateway_largest_upload: int = 64 * 1024 * 1024
    # Addresses, by comma, of proxies whose word counts on where a request came from; empty: nobody's.
    gateway_trusted_proxies: str = ""
    gateway_publish_timeout_s: float = 5.0
    gateway_drain_s: float = 0.0  # told to end, it says so in /readyz and goes on this long
    gateway_resume_s: float = 1800.0  # how far back a socket can resume
    gateway_slow_after_s: float = 10.0  # a socket that takes no frame for that long is closed
    gateway_ping_s: float = 20.0  # between pings of a socket, and how long their answers may take
    gateway_sockets_of_one: int = 20  # of one person, per process
    gateway_sockets_of_tenant: int = 20_000  # of one tenant, per process

    @property
    def issues_tokens(self) -> bool:
        """Return whether the development issuer runs."""
        return self.environment == "local" and not self.oidc_issuer

    @property
    def issuer(self) -> str:
        """Return whose tokens are accepted. :raises ValueError: nobody's, in production."""
        if self.oidc_issuer:
            return self.oidc_issuer
        if self.environment != "local":
            raise ValueError("TRUNKLINE_OIDC_ISSUER is required outside of a local environment")
        return f"{self.gateway_public_url or f'http://127.0.0.1:{self.gateway_port}'}/oidc"

    @property
    def chat_tenants(self) -> frozenset[str]:
        """Return the tenants whose chat takes strangers."""
        named = frozenset(filter(None, (name.strip() for name in self.gateway_chat_tenants.split(","))))
        return named or (frozenset({"demo", "acme"}) if self.environment == "local" else named)
