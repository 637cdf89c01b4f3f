"""How much and how often: sizes of bodies, rates of requests, events, visitors and commands."""

import asyncio
from collections.abc import Callable
from time import time

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.problems import problem
from gateway.settings import GatewaySettings
from libs.errors import Exhausted

BODY = 256 * 1024
EVENTS_BODY = 1024 * 1024
CSV_BODY = 4 * 1024 * 1024
CONFIGURATION_BODY = 2 * 1024 * 1024
FRAME = 64 * 1024
BLOCKS = 100  # events are granted by the hundredth of a limit: asking for each would cost too much


class TooLarge(Exhausted):
    """The body is larger than this door takes."""

    def __init__(self, limit: int) -> None:
        super().__init__("too_large", f"at most {limit} bytes are taken here", {"limit": str(limit)})


class Rates:
    """Rate limits by name, counted per second in this process."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._events = RateLimitItemPerSecond(settings.gateway_events_per_s)
        self._requests = RateLimitItemPerSecond(settings.gateway_requests_per_s)
        self._visitors = RateLimitItemPerSecond(settings.gateway_visitors_per_s)
        self._granted: dict[str, tuple[int, int]] = {}  # tenant: second, events granted and not yet taken
        self._commands = RateLimitItemPerSecond(settings.gateway_commands_per_s)

    def count_events(self, tenant: str, number: int) -> None:
        """Count events of a tenant. :raises Exhausted: too many in this second."""
        second = int(time())
        granted_in, left = self._granted.get(tenant, (second, 0))
        left = left if granted_in == second else 0
        if left < number:
            more = max(number - left, self._events.amount // BLOCKS)
            self._hit(self._events, "events", tenant, more)
            left += more
        self._granted[tenant] = second, left - number

    def count_request(self, who: str) -> None:
        """Count a request of a person or machine. :raises Exhausted: too many in this second."""
        self._hit(self._requests, "requests", who)

    def count_visitor(self, address: str) -> None:
        """Count a new visitor, or a log-in, from an address. :raises Exhausted: too many in this second."""
        self._hit(self._visitors, "visitors", address)

    def count_command(self, socket: str) -> None:
        """Count a command of a socket. :raises Exhausted: too many in this second."""
        self._hit(self._commands, "commands", socket)

    def _hit(self, item: RateLimitItem, kind: str, name: str, cost: int = 1) -> None:
        if not self._limiter.hit(item, kind, name, cost=cost):
            raise Exhausted(
                "rate_exceeded", f"at most {item.amount} {kind} a second are taken", retry_after_s=1
            )


class BodyLimit:
    """Refuses bodies larger than their path allows, by their announced and by their real length."""

    def __init__(self, app: ASGIApp, limit_of: Callable[[str], int]) -> None:
        self._app = app
        self._limit_of = limit_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value) > limit):
                await _refusal(limit)(scope, receive, send)
                return
        taken, has_begun, is_refused = 0, False, False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise TooLarge(limit)
            return message

        async def answered(message: Message) -> None:
            """Say so whatever was made of the exception on its way: frameworks take it for a broken body."""
            nonlocal has_begun, is_refused
            begins, has_begun = not has_begun, True
            if taken > limit and begins:
                is_refused = True
                await _refusal(limit)(scope, receive, send)
            elif not is_refused:
                await send(message)

        try:
            await self._app(scope, counted, answered)
        except asyncio.CancelledError:  # what gRPC makes of an upload whose source fails
            task = asyncio.current_task()
            if taken <= limit or has_begun or (task is not None and task.cancelling()):
                raise
            await _refusal(limit)(scope, receive, send)


def _refusal(limit: int) -> ASGIApp:
    refusal = TooLarge(limit)
    return problem(413, refusal.reason, refusal.text)


def body_limits(settings: GatewaySettings) -> Callable[[str], int]:
    """Return how large a body each path takes."""

    def limit_of(path: str) -> int:
        if path == "/v1/events":
            return EVENTS_BODY
        if path == "/v1/customers/import":
            return CSV_BODY
        if path == "/v1/routing/configuration":
            return CONFIGURATION_BODY
        return settings.gateway_largest_upload if path == "/v1/recordings" else BODY

    return limit_of
