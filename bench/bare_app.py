"""The least that a Starlette application can do with a POST: read it and answer."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


async def take(request: Request) -> Response:
    """Read the body, and say that it was read."""
    await request.body()
    return JSONResponse({"status": "accepted"}, status_code=202)


app = Starlette(routes=[Route("/v1/events", take, methods=["POST"])])
