"""That content comes back as it went in, in any range, or not at all."""

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from libs import objects
from libs.errors import Corrupt, Exhausted, Invalid, Refusal
from libs.rpc.recording.v1 import recording_pb2 as pb
from libs.structs import stamp
from services.recording import uploads
from services.recording.domain.recording import Recording
from services.recording.tests.making import at
from services.recording.vault import BLOCK, Digest, Vault

CONTENT = bytes(range(251)) * (2 * BLOCK // 251 + 500)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(objects.connect(tmp_path.as_uri()))


async def kept(vault: Vault, content: bytes = CONTENT) -> Recording:
    digest = Digest()
    for start in range(0, len(content), 700_001):
        digest.feed(content[start : start + 700_001])
    key = await vault.put("acme", "r", digest.sha256, content)
    size, blocks = digest.size, digest.blocks
    return Recording("r", "stored", size=size, blocks=blocks, object_key=key, objects=(key,))


async def read(vault: Vault, recording: Recording, offset: int, length: int) -> bytes:
    return b"".join([piece async for piece in vault.read(recording, offset, length)])


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 1), (0, len(CONTENT)), (BLOCK - 1, 2), (BLOCK, BLOCK), (5, 2 * BLOCK), (len(CONTENT) - 1, 1)],
)
async def test_it_gives_any_range(vault: Vault, offset: int, length: int) -> None:
    recording = await kept(vault)

    assert await read(vault, recording, offset, length) == CONTENT[offset : offset + length]


async def test_it_gives_nothing_that_was_changed(vault: Vault, tmp_path: Path) -> None:
    recording = await kept(vault)
    file = tmp_path / recording.object_key
    file.write_bytes(CONTENT[: BLOCK + 5] + b"!" + CONTENT[BLOCK + 6 :])

    assert await read(vault, recording, 0, BLOCK) == CONTENT[:BLOCK]
    with pytest.raises(Corrupt):
        await read(vault, recording, BLOCK, 1)
    file.unlink()
    with pytest.raises(Corrupt):
        await read(vault, recording, 0, 1)


async def test_it_erases_all_revisions_and_again(vault: Vault, tmp_path: Path) -> None:
    recording = await kept(vault)

    await vault.erase(recording)
    await vault.erase(recording)

    assert not (tmp_path / recording.object_key).exists()


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_it_counts_blocks_however_the_pieces_fall(size: int) -> None:
    content = CONTENT[:size] if size <= len(CONTENT) else (CONTENT * 2)[:size]
    digest = Digest()
    for start in range(0, size, 333_333):
        digest.feed(content[start : start + 333_333])

    blocks = [content[start : start + BLOCK] for start in range(0, size, BLOCK)]
    assert digest.blocks == tuple(hashlib.sha256(block).hexdigest() for block in blocks)
    assert (digest.size, digest.sha256) == (size, hashlib.sha256(content).hexdigest())


def described(**changes: object) -> pb.NewRecording:
    values = {
        "kind": "audio", "session_id": "s", "interaction_id": "i", "channel": "voice",
        "media_type": "audio/wav", "request_id": "q", "started_at": stamp(at(0)), "ended_at": stamp(at(60)),
    }  # fmt: skip
    return pb.NewRecording(**{**values, **changes})  # type: ignore[arg-type]  # some are wrong on purpose


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({}, []),
        ({"kind": "transcript"}, ["kind"]),
        ({"session_id": ""}, ["session_id"]),
        ({"interaction_id": "a/b", "request_id": ""}, ["interaction_id", "request_id"]),
        ({"customer_id": "a b"}, ["customer_id"]),
        ({"agent_ids": ["ana", ""]}, ["agent_ids"]),
        ({"channel": "telex"}, ["channel"]),
        ({"media_type": "text/html"}, ["media_type"]),
        ({"sha256": "ABC"}, ["sha256"]),
        ({"gaps": [pb.Gap(offset_ms=-1)]}, ["gaps"]),
        ({"started_at": None}, ["started_at"]),
        ({"ended_at": stamp(at(-1))}, ["ended_at"]),
    ],
)
def test_it_says_all_that_is_wrong_with_a_description(changes: dict[str, object], fields: list[str]) -> None:
    if not fields:
        assert uploads.checked(described(**changes)).ended_at - at(0) == timedelta(seconds=60)
        return
    with pytest.raises(Invalid) as refused:
        uploads.checked(described(**changes))

    assert [each.field for each in refused.value.violations] == [f"description.{name}" for name in fields]


async def stream(*chunks: bytes | None) -> AsyncIterator[pb.StoreRecordingRequest]:
    for chunk in chunks:
        if chunk is None:
            yield pb.StoreRecordingRequest(description=described())
        else:
            yield pb.StoreRecordingRequest(chunk=chunk)


async def test_it_takes_content_in_chunks() -> None:
    with uploads.spool() as file:
        sha256 = hashlib.sha256(b"abcdef").hexdigest()
        digest = await uploads.receive(stream(b"abc", b"", b"def"), file, sha256, 6)

        assert (digest.size, file.read()) == (6, b"abcdef")


@pytest.mark.parametrize(
    ("chunks", "sha256", "refusal"),
    [
        ([], "", Invalid),
        ([b""], "", Invalid),
        ([b"a", None], "", Invalid),
        ([b"x" * (BLOCK + 1)], "", Invalid),
        ([b"abcd", b"efg"], "", Exhausted),
        ([b"abc"], "0" * 64, Corrupt),
    ],
)
async def test_it_refuses_content_that_is_not_right(
    chunks: list[bytes | None], sha256: str, refusal: type[Refusal]
) -> None:
    with uploads.spool() as file, pytest.raises(refusal):
        await uploads.receive(stream(*chunks), file, sha256, 6)


async def test_it_wants_the_description_first() -> None:
    for wrong in (stream(), stream(b"abc")):
        with pytest.raises(Invalid):
            await uploads.first_of(wrong)
