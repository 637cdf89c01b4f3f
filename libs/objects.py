"""The object store: a folder, or a bucket of an S3 server, behind the same few calls."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple, TypeVar
from urllib.parse import quote, unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, InvalidPathError
from obstore.store import LocalStore, ObjectStore, S3Store

from libs.errors import Unavailable
from libs.settings import Settings

TIMEOUT = timedelta(seconds=30)
LONGEST_KEY = 900  # an S3 key may have 1024 bytes, with its prefix
LISTED_AT_ONCE = 1000  # what one answer of S3 holds
T = TypeVar("T")
PART = re.compile(r"[A-Za-z0-9._=@+~:%-]{1,255}")
# The store's own coroutines end on threads of its runtime, which nobody waits for: one that still holds an
# answer while the interpreter ends aborts the process. These threads are joined first.
_THREADS = ThreadPoolExecutor(16, thread_name_prefix="objects")


class BadKey(ValueError):
    """The name of an object could mean something outside of its place."""


class Missing(Exception):
    """There is no object of that name."""


class BadStore(ValueError):
    """The address names no object store."""


class Found(NamedTuple):
    """An object of a list."""

    key: str
    size: int
    changed_at: datetime


def checked(key: str) -> str:
    """Return the key. :raises BadKey: it is too long, or has parts that file systems or URLs take apart."""
    parts = key.split("/")
    if len(key) > LONGEST_KEY or not all(PART.fullmatch(part) and part.strip(".") for part in parts):
        raise BadKey("a key is made of plain parts between single slashes")
    return key


def part(text: str) -> str:
    """Return any text as one part of a key, to be read back by `text_of`."""
    return quote(text, safe="@+~:=") or "%00"


def text_of(part: str) -> str:
    """Return the text that `part` was made from."""
    return "" if part == "%00" else unquote(part)


class Objects:
    """Objects below one place, named by keys: plain words between slashes."""

    def __init__(self, store: ObjectStore, place: str, folder: Path | None = None) -> None:
        self._store = store
        self.place = place  # to be named in logs and messages
        self.folder = folder  # where the objects are files

    async def put(self, key: str, content: bytes | IO[bytes]) -> None:
        """Write an object, whole or not at all. :raises Unavailable: it may not be written."""
        with _guarded(key):
            await _aside(obstore.put, self._store, checked(key), content)

    async def get(self, key: str) -> bytes:
        """Return an object. :raises Missing: there is none. :raises Unavailable: nobody answers."""
        with _guarded(key):
            return await _aside(lambda path: bytes(obstore.get(self._store, path).bytes()), checked(key))

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return up to `length` bytes from `start`, which lies within the object. :raises: as `get`."""
        with _guarded(key):
            ask = partial(obstore.get_range, self._store, checked(key), start=start, length=length)
            return bytes(await _aside(ask))

    async def size(self, key: str) -> int | None:
        """Return the size of an object, None where there is none. :raises Unavailable: as `get` does."""
        try:
            with _guarded(key):
                return int((await _aside(obstore.head, self._store, checked(key)))["size"])
        except Missing:
            return None

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error. :raises Unavailable: it may still be there."""
        try:
            with _guarded(key):
                await _aside(obstore.delete, self._store, checked(key))
        except Missing:
            return

    async def list(self, prefix: str) -> AsyncIterator[Found]:
        """Yield the objects whose keys begin with the parts of `prefix`, in no order. :raises: as `get`."""
        with _guarded(prefix):
            pages = iter(obstore.list(self._store, checked(prefix), chunk_size=LISTED_AT_ONCE))
            while page := await _aside(next, pages, None):
                for each in page:
                    yield Found(each["path"], each["size"], each["last_modified"].astimezone(UTC))


async def _aside(call: Callable[..., T], *args: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(_THREADS, call, *args)


@contextmanager
def _guarded(key: str) -> Iterator[None]:
    """Tell what is missing from what cannot be reached; a store that refuses us may be mended, too."""
    try:
        yield
    except FileNotFoundError as error:
        raise Missing(key) from error
    except InvalidPathError as error:
        raise BadKey(key) from error
    except (BaseError, OSError) as error:
        name = type(error).__name__
        raise Unavailable("object_store_unreachable", f"the object store does not do it ({name})") from error


def connect(url: str, s3_endpoint: str = "") -> Objects:
    """
    Return the store at file:///folder or s3://bucket/prefix; credentials of S3 are read from AWS_* variables.

    :raises BadStore: the address is none of these.
    """
    address = urlsplit(url)
    if address.scheme == "file" and address.path.strip("/") and not address.netloc:
        folder = Path(unquote(address.path))
        return Objects(LocalStore(folder, mkdir=True), url, folder)
    if address.scheme == "s3" and address.netloc:
        prefix = address.path.strip("/")
        plain = s3_endpoint.startswith("http://")
        store = S3Store(
            address.netloc,
            prefix=prefix or None,
            config={"endpoint": s3_endpoint} if s3_endpoint else {},
            client_options={"timeout": TIMEOUT, "allow_http": plain},
            retry_config={"max_retries": 4, "retry_timeout": TIMEOUT},
        )
        return Objects(store, url)
    raise BadStore(f"an object store is file:///folder or s3://bucket/prefix, not {url!r}")


def of(settings: Settings) -> Objects:
    """Return the store that the settings name: by default the folder `objects` of the data directory."""
    url = settings.object_store_url or (settings.data_dir.absolute() / "objects").as_uri()
    return connect(url, settings.s3_endpoint)
