"""How long and large the head of a request may be, and how slowly a body may come, before the door shuts."""

from asyncio import TimerHandle, Transport
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.problems import MEDIA_TYPE, document

HEAD_BYTES = 64 * 1024
BODY_BYTES = 1024  # the least that a body has to bring in `patience_s`
UNREAD_BYTES = (
    16 * 1024 * 1024
)  # of a body answered before its end: its sender shall read the answer, not go on
PHRASES = {408: "Request Timeout", 431: "Request Header Fields Too Large"}


class Patience(HttpToolsProtocol):
    """
    Ends connections that hold on to the gateway without asking for anything.

    The server underneath waits for ever for the end of a head or a body, and takes heads of any size.
    """

    patience_s = 10.0

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._in_head = True
        self._in_body = False
        self._taken = 0  # bytes of the head or, since the last look, of the body
        self._unread = 0  # bytes of the body since its answer
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as its parent has it
        super().connection_made(transport)
        self._wait(self.patience_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._taken += len(data)
            if self._taken > HEAD_BYTES:
                self._refuse(431, "head_too_large", f"a head has at most {HEAD_BYTES} bytes")
                return
        if self._timer is None and (self._in_head or self._in_body):  # most requests come whole and need none
            self._wait(self.patience_s)

    def handle_websocket_upgrade(self) -> None:
        self._in_head = False
        self._stop()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._in_body, self._taken = True, False, 0

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body, self._taken, self._unread = False, True, 0, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._taken += len(body)
        super().on_body(body)
        if self.cycle.response_complete:
            self._unread += len(body)
            if self._unread > UNREAD_BYTES:
                self.transport.close()

    def on_message_complete(self) -> None:
        self._in_body = False
        self._stop()
        super().on_message_complete()

    def _wait(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._look)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """Look after the connection; it is well as long as a body comes, or the gateway itself is slow."""
        self._timer = None
        is_reading = not getattr(self.flow, "read_paused", False)
        is_answered = self._in_body and self.cycle.response_complete
        if self._in_head or is_answered or (self._in_body and self._taken < BODY_BYTES and is_reading):
            self._refuse(408, "too_slow", "the request did not come to an end")
        elif self._in_body:
            self._taken = 0
            self._wait(self.patience_s)

    def _refuse(self, status: int, reason: str, detail: str) -> None:
        self._stop()
        if self.transport.is_closing():
            return
        before: RequestResponseCycle | None = self.cycle  # None until there was a request
        # In a head the last answer must be over, in a body this one not begun: two answers are never mixed.
        if before is None or (before.response_complete if self._in_head else not before.response_started):
            body = orjson.dumps(document(status, reason, detail))
            head = (
                f"HTTP/1.1 {status} {PHRASES[status]}\r\ncontent-type: {MEDIA_TYPE}\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()
