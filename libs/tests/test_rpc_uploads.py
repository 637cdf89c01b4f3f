"""An upload that is refused at its beginning, while the caller goes on sending."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from grpc import StatusCode, aio, method_handlers_generic_handler, stream_unary_rpc_method_handler

from libs.errors import Forbidden
from libs.rpc_client import one_answer

ROUNDS, AT_ONCE = 20, 8  # so many that some lose the race between writing and hearing the answer


async def refuse(parts: object, context: aio.ServicerContext[bytes, bytes]) -> None:
    await context.abort(StatusCode.PERMISSION_DENIED, "not yours")


async def parts() -> AsyncIterator[bytes]:
    yield b"what it is"
    for _ in range(4):
        yield b"x" * 500_000


async def test_it_hears_why_although_a_piece_on_its_way_could_not_be_written() -> None:
    def as_it_is(message: bytes) -> bytes:
        return message

    handler = stream_unary_rpc_method_handler(refuse, as_it_is, as_it_is)
    server = aio.server()
    server.add_generic_rpc_handlers((method_handlers_generic_handler("test.Uploads", {"Upload": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        upload = one_answer(
            channel.stream_unary("/test.Uploads/Upload", as_it_is, as_it_is), lambda given: given, 10.0
        )

        async def told() -> None:
            with pytest.raises(Forbidden, match="not yours"):
                await upload(parts())

        for _ in range(ROUNDS):
            await asyncio.gather(*(told() for _ in range(AT_ONCE)))
    await server.stop(None)
