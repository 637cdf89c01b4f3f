"""Files of a configuration: what the door itself refuses, and how it hands on what it takes."""

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from gateway.parts import Parts, Services
from gateway.tests.doors import Door
from libs.rpc.routing.v1 import configuration_pb2 as pb

PATH = "/v1/routing/configuration"


@dataclass
class Configuration:
    """Answers as routing would, and remembers what it was asked."""

    asked: list[Any] = field(default_factory=list)

    async def ExportConfiguration(self, request: Any) -> Any:  # noqa: N802
        self.asked.append(request)
        return pb.ExportConfigurationResponse(text="skills: {}\n", version=7)

    async def ImportConfiguration(self, request: Any, timeout: float) -> Any:  # noqa: ASYNC109, N802
        self.asked.append(request)
        return pb.ImportConfigurationResponse(version=8, dry_run=request.dry_run)

    async def PutItem(self, request: Any) -> Any:  # noqa: N802
        self.asked.append(request)
        return pb.PutItemResponse(change_id="e-1")


def door_to(configuration: Configuration) -> Door:
    door = Door()
    state = door.app._app._app.state  # type: ignore[attr-defined]  # limits, then measures, around it
    parts: Parts = state.parts
    state.parts = replace(parts, services=cast("Services", Only(configuration)))
    return door


@dataclass
class Only:
    configuration: Configuration


@pytest.mark.parametrize(
    ("accept", "form", "media_type"),
    [
        ("*/*", "yaml", "application/yaml"),
        ("application/json", "json", "application/json"),
        ("application/yaml, application/json;q=0.5", "yaml", "application/yaml"),
    ],
)
async def test_it_exports_what_is_accepted(accept: str, form: str, media_type: str) -> None:
    routing = Configuration()

    answer = await door_to(routing).ask("GET", PATH, "manager", headers={"accept": accept})

    assert (answer.status_code, answer.text, answer.headers["etag"]) == (200, "skills: {}\n", '"7"')
    assert answer.headers["content-type"].startswith(media_type)
    assert routing.asked == [pb.ExportConfigurationRequest(format=form)]


async def test_it_hands_a_file_on_as_it_is() -> None:
    routing = Configuration()
    headers = {"content-type": "text/yaml; charset=utf-8", "if-match": '"7"'}

    answer = await door_to(routing).ask(
        "POST", f"{PATH}?dry_run=true&prune=true", "admin", headers=headers, content="skills: {客: }".encode()
    )

    assert (answer.status_code, answer.json()["version"], answer.headers["etag"]) == (200, 8, '"8"')
    (asked,) = routing.asked
    assert (asked.text, asked.format, asked.dry_run, asked.prune) == ("skills: {客: }", "yaml", True, True)
    assert asked.expected_version == 7


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"skills: {}", "text/plain", 415),
        (b"skills: {}", "", 415),
        (b"\xff\xfe", "application/yaml", 422),
        (b"x" * (2 * 1024 * 1024 + 1), "application/yaml", 413),
    ],
)
async def test_it_refuses_what_is_no_file(content: bytes, media_type: str, status: int) -> None:
    routing = Configuration()

    answer = await door_to(routing).ask(
        "POST", PATH, "admin", headers={"content-type": media_type}, content=content
    )

    assert (answer.status_code, routing.asked) == (status, [])


async def test_a_manager_exports_but_does_not_take_over() -> None:
    answer = await door_to(Configuration()).ask("POST", PATH, "manager", content=b"skills: {}")

    assert answer.status_code == 403


async def test_an_agent_may_follow_a_calendar_by_its_name() -> None:
    routing = Configuration()

    answer = await door_to(routing).ask("PUT", "/v1/agents/ana", "admin", json={"calendar": "office"})

    assert (answer.status_code, answer.json()) == (202, {"event_id": "e-1", "status": "accepted"})
    (asked,) = routing.asked
    assert (asked.section, asked.pool_id, asked.item_id) == ("agents", "main", "ana")
    assert asked.document["schedule"] == "office"
    assert "pool_id" not in asked.document and "calendar" not in asked.document
