"""What an object store promises, asked of a folder and of a real S3 server alike."""

import asyncio
import io
import urllib.request
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from libs import objects
from libs.errors import Unavailable
from libs.objects import BadKey, BadStore, Missing, Objects
from libs.settings import Settings


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.real)])
async def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    if request.param == "folder":
        return objects.connect((tmp_path / "objects").as_uri())
    endpoint = request.getfixturevalue("s3_url")
    for name, value in (("ACCESS_KEY_ID", "any"), ("SECRET_ACCESS_KEY", "any"), ("REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    bucket = f"b{uuid.uuid4().hex[:8]}"
    make = urllib.request.Request(f"{endpoint}/{bucket}", method="PUT")
    with urllib.request.urlopen(make):  # noqa: ASYNC210 - nothing else runs yet
        made = objects.connect(f"s3://{bucket}/some/prefix", endpoint)
    async with asyncio.timeout(30):
        while True:  # the server answers before it has volumes to write to
            with suppress(Unavailable):
                await made.put("first", b"")
                await made.delete("first")
                return made
            await asyncio.sleep(0.2)


async def test_it_gives_back_what_was_put(store: Objects) -> None:
    await store.put("a/b.txt", b"hello")
    await store.put("a/c.bin", io.BytesIO(b"x" * 7_000_000))

    assert await store.get("a/b.txt") == b"hello"
    assert await store.get_range("a/b.txt", 1, 3) == b"ell"
    assert await store.get_range("a/b.txt", 3, 30) == b"lo"
    assert await store.size("a/c.bin") == 7_000_000
    assert await store.size("a/d") is None


async def test_it_replaces_and_removes(store: Objects) -> None:
    await store.put("k", b"one")
    await store.put("k", b"two")
    assert await store.get("k") == b"two"

    await store.delete("k")
    await store.delete("k")

    with pytest.raises(Missing):
        await store.get("k")


async def test_it_lists_by_parts_of_the_key(store: Objects) -> None:
    odd = f"tenant={objects.part('a/../b c')}"
    for key in ("t=1/x", "t=1/y/z", "t=12/x", f"{odd}/x"):
        await store.put(key, key.encode())

    found = [each async for each in store.list("t=1")]

    assert sorted((each.key, each.size) for each in found) == [("t=1/x", 5), ("t=1/y/z", 7)]
    assert [each.key async for each in store.list(odd)] == [f"{odd}/x"]
    assert [each async for each in store.list("nothing")] == []


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "..",
        "../x",
        "a/../../x",
        "a//b",
        "a/",
        "a/./b",
        "a\\b",
        "a b",
        "a\0b",
        "x" * 901,
        "ü",
    ],
)
async def test_it_lets_no_key_escape(store: Objects, key: str) -> None:
    with pytest.raises(BadKey):
        await store.put(key, b"x")
    with pytest.raises(BadKey):
        await store.get(key)


@pytest.mark.parametrize("text", ["demo", "", "..", "a/b", "a b", "%2F", "张三", "a=b@c+d"])
def test_it_turns_any_text_into_a_part_and_back(text: str) -> None:
    part = objects.part(text)

    assert objects.checked(f"tenant={part}/x")
    assert objects.text_of(part) == text


@pytest.mark.parametrize("url", ["", "file://", "file:///", "s3://", "http://x/y", "folder", "file://host/x"])
def test_it_refuses_an_address_that_is_no_store(url: str) -> None:
    with pytest.raises(BadStore):
        objects.connect(url)


async def test_it_is_unavailable_while_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "REGION"):
        monkeypatch.setenv(f"AWS_{name}", "any")
    store = objects.connect("s3://bucket", "http://127.0.0.1:1")

    with pytest.raises(Unavailable):
        await store.put("k", b"x")


def test_it_is_the_folder_of_the_data_directory_unless_told_otherwise(tmp_path: Path) -> None:
    assert objects.of(Settings(data_dir=tmp_path)).folder == tmp_path / "objects"
    assert objects.of(Settings(object_store_url=(tmp_path / "x").as_uri())).folder == tmp_path / "x"
