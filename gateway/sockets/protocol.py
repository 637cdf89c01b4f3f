"""The WebSocket protocol of the server, made to let go of who does not read."""

import socket
from asyncio import TimerHandle
from asyncio.transports import BaseTransport

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LET_GO_S = 12.0  # longer than the server waits for the other side's goodbye
# The system would let a socket that nobody reads have megabytes. This is a second's worth of a busy stream.
SEND_BUFFER = 128 * 1024


class SocketProtocol(WebSocketsSansIOProtocol):
    """
    Bounds what is sent and not yet read, says goodbye even to who does not read, and hangs up in the end.

    The server closes a connection by sending the rest first, which may never happen: a reader who stands
    still would hold it, and what waits for him, for ever.
    """

    _hanging_up: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Take a connection, with a bound to what waits in it."""
        if (sock := transport.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is over."""
        if self._hanging_up is not None:
            self._hanging_up.cancel()
        super().connection_lost(exc)

    def keepalive_timeout(self) -> None:
        """Give up a peer that has not answered a ping."""
        super().keepalive_timeout()
        self._hang_up_later()

    async def run_asgi(self) -> None:
        """Serve the socket, then let go of it."""
        await super().run_asgi()
        self._hang_up_later()

    async def send(self, message: ASGISendEvent) -> None:
        """Send; the goodbye goes out behind what waits, however much that is."""
        if message["type"] == "websocket.close":
            self.writable.set()
        await super().send(message)

    def _hang_up_later(self) -> None:
        if self._hanging_up is None and not self.disconnected:
            self._hanging_up = self.loop.call_later(LET_GO_S, self.transport.abort)
