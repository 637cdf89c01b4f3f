"""Contents in the object store, with checksums block by block."""

import hashlib
from collections.abc import AsyncIterator
from typing import IO

from libs import objects
from libs.errors import Corrupt
from libs.objects import Missing, Objects
from services.recording.domain.recording import Recording

BLOCK = 1024 * 1024


class Vault:
    """Contents of recordings in the object store."""

    def __init__(self, store: Objects) -> None:
        self._store = store

    async def put(self, tenant: str, recording_id: str, sha256: str, content: bytes | IO[bytes]) -> str:
        """Write a content and return its key, which follows from it. :raises Unavailable: it is not kept."""
        key = f"recordings/{objects.part(tenant)}/{recording_id}/{sha256[:32]}"
        await self._store.put(key, content)
        return key

    async def read(self, kept: Recording, offset: int, length: int) -> AsyncIterator[bytes]:
        """
        Yield a range of the content in pieces, each checked before it is given away.

        :raises Corrupt: it is missing, or not what was stored.
        """
        end = offset + length
        for number in range(offset // BLOCK, -(-end // BLOCK)):
            start = number * BLOCK
            try:
                block = await self._store.get_range(kept.object_key, start, min(BLOCK, kept.size - start))
            except Missing:
                raise Corrupt("content_missing", "the content is not where it was stored") from None
            if hashlib.sha256(block).hexdigest() != kept.blocks[number]:
                raise Corrupt("content_changed", "the content is not what was stored")
            yield block[max(offset - start, 0) : end - start]

    async def erase(self, kept: Recording) -> None:
        """Remove all revisions of a content. :raises Unavailable: something may be left."""
        for key in kept.objects:
            await self._store.delete(key)


class Digest:
    """The checksums of a content that comes in pieces."""

    def __init__(self) -> None:
        self.size = 0
        self._whole = hashlib.sha256()
        self._block = hashlib.sha256()
        self._blocks: list[str] = []

    def feed(self, piece: bytes) -> None:
        self._whole.update(piece)
        while piece:
            room = BLOCK - self.size % BLOCK
            part, piece = piece[:room], piece[room:]
            self._block.update(part)
            self.size += len(part)
            if self.size % BLOCK == 0:
                self._blocks.append(self._block.hexdigest())
                self._block = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._whole.hexdigest()

    @property
    def blocks(self) -> tuple[str, ...]:
        last = (self._block.hexdigest(),) if self.size % BLOCK else ()
        return (*self._blocks, *last)
