"""Malformed, monstrous and hasty frames at every socket; and readers who do not read."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
import websockets

from gateway import permissions
from tests.attacks.conftest import Target
from tests.attacks.poison import VALUES, poisoned
from tests.attacks.surface import gathered, sent, sockets

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

COMMANDS: dict[str, dict[str, Any]] = {
    "sign_in": {"reason": "x"},
    "ready": {},
    "accept": {"offer_id": "o", "interaction_id": "i", "reason": "x"},
    "message": {"interaction_id": "i", "text": "x"},
    "end": {"interaction_id": "i", "reason": "x"},
    "wrap_up": {"interaction_id": "i", "codes": ["x"], "notes": "x"},
    "transfer": {"interaction_id": "i", "to_queue_id": "q", "to_agent_id": "a", "reason": "x"},
    "typing": {"interaction_id": "i", "on": True},
    "start": {
        "entry_point": "d",
        "language": "en",
        "identities": [],
        "display_name": "x",
        "context": {"a": 1},
    },
    "choose": {"key": "1"},
    "survey": {"csat": 5, "nps": 1, "ces": 1, "comment": "x"},
}


def url_of(target: Target, path: str) -> str:
    return target.socket_url + path.replace("{interaction_id}", "i-frames")


async def answers_of(target: Target, name: str, path: str, frames: list[str]) -> list[dict[str, Any]]:
    """Return what a socket answers to each of these frames; it must take all of them and stay open."""
    role = min(permissions.ALLOWED[name])
    token = target.mint.token("fuzz", f"frames-{role}", role)
    found: list[dict[str, Any]] = []
    async with websockets.connect(
        url_of(target, path), additional_headers={"authorization": f"Bearer {token}"}, proxy=None
    ) as socket:
        for start in range(0, len(frames), 50):
            part = frames[start : start + 50]
            for frame in part:
                await socket.send(frame)
            wanted = len(found) + len(part)
            async with asyncio.timeout(30):
                while len(found) < wanted:
                    frame = json.loads(await socket.recv())
                    if frame["type"] in ("ack", "refused") and "seq" not in frame:  # an answer, no news
                        found.append(frame)
    sent["frames"] += len(frames)
    return found


def rotten() -> list[str]:
    whole = [
        *("", " ", "{", "[]", "null", "1", '"x"', "NaN", "{}", "[" * 10_000, "\u202e", "\x00"),
        '{"id": 1}',
        '{"type": "end"}',
        '{"id": "", "type": "end"}',
        '{"id": "a b", "type": "end"}',
        '{"id": {"$ne": 1}, "type": "end"}',
        '{"id": "a", "type": ["end"]}',
        '{"id": "a", "type": "__class__"}',
        '{"id": "a", "type": "end", "type": "message"}',
        '{"id": "' + "x" * 60_000 + '"}',
        '{"seq": 1, "type": "offer", "data": {}}',
    ]
    made = [
        poisoned({"id": f"f-{name}", "type": name, **fields}, place, value)
        for name, fields in COMMANDS.items()
        for place in [(), ("id",), ("type",), *((field,) for field in fields)]
        for label, value in VALUES.items()
        if label != "very deep"
    ]
    return [text for text in [*whole, *made] if len(text.encode()) < 64 * 1024]


@pytest.mark.parametrize("name", sockets())
async def test_every_frame_gets_an_answer_and_the_socket_stays(target: Target, name: str) -> None:
    frames = rotten()

    answers = await answers_of(target, name, sockets()[name], frames)

    assert len(answers) == len(frames)
    codes = {answer.get("code") for answer in answers}
    assert "internal" not in codes
    statuses = {answer["problem"]["status"] for answer in answers if answer["type"] == "refused"}
    assert all(status < 500 for status in statuses), statuses


@pytest.mark.parametrize("name", sockets())
async def test_a_frame_that_is_too_large_or_no_text_ends_the_socket(target: Target, name: str) -> None:
    role = min(permissions.ALLOWED[name])
    headers = {"authorization": f"Bearer {target.mint.token('fuzz', f'large-{role}', role)}"}
    for frame, code in (("x" * 70_000, 1009), (b"\xff\xfe", 1008)):
        async with websockets.connect(
            url_of(target, sockets()[name]), additional_headers=headers, proxy=None, compression=None
        ) as socket:
            await socket.send(frame)
            with suppress(websockets.ConnectionClosed):
                async with asyncio.timeout(10):
                    while True:
                        await socket.recv()
            assert socket.close_code == code, socket.close_code


@pytest.mark.parametrize(
    "query", ["?after=-1", "?after=x", "?after=99999999999999999999", "?after=%00", "?after=1e3"]
)
async def test_no_place_in_a_stream_upsets_a_socket(target: Target, query: str) -> None:
    for name, path in sockets().items():
        headers = {"authorization": f"Bearer {target.token(min(permissions.ALLOWED[name]))}"}
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with websockets.connect(
                url_of(target, path) + query, additional_headers=headers, proxy=None
            ):
                pass
        assert refused.value.response.status_code == 422


@pytest.mark.parametrize("given", ["a%2fb", "%00", "..%2f..%2fx", "a b", "x" * 3000, "%24where"])
async def test_no_name_of_an_interaction_upsets_a_socket(target: Target, given: str) -> None:
    adapter = {"authorization": f"Bearer {target.token('adapter')}"}
    customer = {"authorization": f"Bearer {target.token('customer')}"}
    attempts = [
        (f"/v1/interactions/{given}/socket".replace(" ", "%20"), adapter),
        (f"/v1/chat/socket?interaction_id={given}".replace(" ", "%20"), customer),
    ]
    for path, headers in attempts:
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with websockets.connect(target.socket_url + path, additional_headers=headers, proxy=None):
                pass
        assert refused.value.response.status_code in (403, 404, 422)


async def test_many_sockets_of_people_who_do_not_read_hurt_nobody(target: Target) -> None:
    headers = {"authorization": f"Bearer {target.token('supervisor')}"}
    url = f"{target.socket_url}/v1/supervisor/socket?after=0"
    idle = [
        await websockets.connect(url, additional_headers=headers, proxy=None, max_queue=1) for _ in range(100)
    ]
    try:
        async with target.client() as client:
            answers = await gathered(client.get("/readyz") for _ in range(50))
    finally:
        await asyncio.gather(*(socket.close() for socket in idle))

    assert {answer.status_code for answer in answers} == {200}
