"""The doors of the sockets: how many may be open, and how everybody is asked to leave."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gateway.auth import Principal
from gateway.permissions import ADAPTER
from gateway.settings import GatewaySettings
from libs.errors import Exhausted, Unavailable

LEAVE_WITHIN_S = 5.0


class SocketDoors:
    """Counts the sockets of this process, by person and by tenant."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.leaving = asyncio.Event()
        self._of_one = settings.gateway_sockets_of_one
        self._of_tenant = settings.gateway_sockets_of_tenant
        self._people: Counter[str] = Counter()
        self._tenants: Counter[str] = Counter()
        self._nobody = asyncio.Event()
        self._nobody.set()

    def check_open(self) -> None:
        """Return while the gateway lets anybody in. :raises Unavailable: it is about to end."""
        if self.leaving.is_set():
            raise Unavailable("restarting", "this gateway is about to end; come again", retry_after_s=1)

    def check(self, principal: Principal) -> None:
        """Return when one more socket may be opened. :raises Refusal: it may not."""
        self.check_open()
        # An adapter has a socket for each of its contacts.
        if ADAPTER not in principal.roles and self._people[principal.who] >= self._of_one:
            raise _too_many(self._of_one, "person")
        if self._tenants[principal.tenant] >= self._of_tenant:
            raise _too_many(self._of_tenant, "tenant")

    @contextmanager
    def entered(self, principal: Principal) -> Iterator[None]:
        """Count a socket for as long as the body runs."""
        self._people[principal.who] += 1
        self._tenants[principal.tenant] += 1
        self._nobody.clear()
        try:
            yield
        finally:
            for counter, name in ((self._people, principal.who), (self._tenants, principal.tenant)):
                counter[name] -= 1
                if not counter[name]:
                    del counter[name]
            if not self._tenants:
                self._nobody.set()

    async def leave(self) -> None:
        """Let nobody in any more, ask everybody to leave, and wait until they have, but not for ever."""
        self.leaving.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_WITHIN_S):
                await self._nobody.wait()


def _too_many(number: int, whose: str) -> Exhausted:
    return Exhausted("too_many_sockets", f"at most {number} sockets of one {whose} are open", retry_after_s=5)
