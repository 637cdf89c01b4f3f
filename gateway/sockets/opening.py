"""How a socket is opened: who asks, whether he may, and from where in the stream he goes on."""

from starlette.websockets import WebSocket

from gateway import permissions, problems
from gateway.auth import Principal
from gateway.parts import Parts
from gateway.sockets.link import EXPIRED, FORBIDDEN, POLICY
from libs.errors import Invalid, Refusal, Unauthenticated, Violation


async def admit(websocket: WebSocket, operation: str) -> Principal | None:
    """Return who opens the socket, None after having turned him away."""
    parts: Parts = websocket.app.state.parts
    try:
        principal = await parts.verifier.verify(_token(websocket))
        permissions.check(principal, operation)
        parts.rates.count_request(principal.who)
        parts.doors.check(principal)
    except Refusal as refusal:
        await deny(websocket, refusal)
        return None
    return principal


async def accept(websocket: WebSocket) -> None:
    """Open the socket; a token in the subprotocols is answered by the name of its scheme only."""
    offered = websocket.scope.get("subprotocols") or []
    await websocket.accept(subprotocol="bearer" if "bearer" in offered else None)


async def deny(websocket: WebSocket, refusal: Refusal) -> None:
    """Turn a client away before the socket is open: by an HTTP answer where the server can send one."""
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(problems.of(refusal))
        return
    code = {401: EXPIRED, 403: FORBIDDEN}.get(problems.status_of(refusal), POLICY)
    await websocket.close(code, refusal.reason)


def _token(websocket: WebSocket) -> str:
    scheme, _, token = websocket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    offered = websocket.scope.get("subprotocols") or []
    if len(offered) >= 2 and offered[0] == "bearer":
        return str(offered[1])
    if given := websocket.query_params.get("access_token"):
        return given
    raise Unauthenticated("token_missing", "a bearer token is needed")


def after_of(websocket: WebSocket) -> int | None:
    """
    Return the number of the last frame the client has seen, None where it wants what comes from now on.

    :raises Invalid: it is no number.
    """
    text = websocket.query_params.get("after", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Invalid(Violation("after", "must be the number of a frame"))
    number = int(text or 0)
    if number == 0 and (websocket.query_params.get("from") == "now" or not text):
        return None
    return number
