"""The description of the API: OpenAPI 3.1, with the schemas of the services' messages."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from google.protobuf.descriptor import Descriptor
from pydantic import ConfigDict, JsonValue

from gateway import permissions
from gateway.cloudevents import TAKEN
from gateway.messages import add_schema, example, reference

FILE = Path("docs/openapi.json")
PROBLEM = {"$ref": "#/components/schemas/Problem"}
_USED: dict[str, Descriptor] = {}  # messages that operations answer with, found when their modules load
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem details (RFC 9457)",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "What programs look at."},
        "trace_id": {"type": "string"},
        "violations": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("field", "text", "reason")},
            },
        },
    },
    "examples": [
        {
            "type": "urn:trunkline:problem:ticket_not_found",
            "title": "Not found",
            "status": 404,
            "detail": "there is no ticket T-7K2M",
            "code": "ticket_not_found",
        }
    ],
}
TAGS = (
    ("events", "What channel adapters tell."),
    ("customers", "Who they are and how they are recognised."),
    ("sessions", "Sessions, journeys and their shared context."),
    ("tickets", "Work that outlives the contact."),
    ("recordings", "Transcripts and audio."),
    ("reports", "Figures, live and by interval."),
    ("audit", "Whether every contact is accounted for."),
    ("routing", "Queues, agents and why a contact went where it went."),
    ("configuration", "Queues, agents, skills, calendars and reasons: as one file, and one by one."),
    ("strategies", "How contacts find their agents."),
    ("flows", "Self-service."),
    ("dead letters", "Records that were set aside: looked at, repaired, replayed once or discarded."),
    ("identity", "Who asks."),
)
ABOUT = """All that the platform does, through one door.

Every error is a problem document (RFC 9457). Lists are paged by `cursor` and `limit`. A POST with an
`Idempotency-Key` may be sent again. What has a version has an `ETag`; changes take `If-Match`.

WebSockets: `/v1/agent/socket`, `/v1/chat/socket`, `/v1/interactions/{interaction_id}/socket`,
`/v1/supervisor/socket`. Frames are numbered 1..n per stream; `?after=<seq>` resumes at any gateway, at
least 15 minutes back, without gap or repeat; what is older is told as a `gap`, with a `snapshot`. Commands
carry an id of the client's; the same id again has one effect and one answer. Frames and commands:
gateway/README.md; the protocol: docs/sockets.md.
"""


def body(**sample: JsonValue) -> ConfigDict:
    """Return the configuration of a request's model: nothing it does not know, and an example."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [sample]})


def content(media_type: str, sample: str) -> dict[str, Any]:
    """Return the description of a body that is no JSON of ours."""
    schema = {"type": "string"} if media_type.startswith("text/") else {"type": "string", "format": "binary"}
    taken = {media_type: {"schema": schema, "example": sample}}
    return {"requestBody": {"required": True, "content": taken}}


def gives(
    message: type[Any], status: int = 200, *, or_else: int = 0, listed: bool = False, text: str = ""
) -> dict[str, Any]:
    """
    Return the arguments of a route that answers with a message, or with a page of such.

    `or_else` is a second status with the same answer: of a route that may create something, or find it there.
    """
    descriptor: Descriptor = message.DESCRIPTOR
    _USED[descriptor.full_name] = descriptor
    schema, sample = reference(descriptor), example(descriptor)
    if listed:
        schema = {
            "type": "object",
            "required": ["items", "next_cursor"],
            "properties": {"items": {"type": "array", "items": schema}, "next_cursor": {"type": "string"}},
        }
        sample = {"items": [sample], "next_cursor": ""}
    described = answers(schema, sample, status, text or descriptor.name)
    if or_else:
        described["responses"][or_else] = described["responses"][status]
    return described


def answers(schema: dict[str, Any], sample: object, status: int = 200, text: str = "OK") -> dict[str, Any]:
    """Return the arguments of a route that answers with what a schema describes."""
    content = {"application/json": {"schema": schema, "example": sample}}
    return {"status_code": status, "responses": {status: {"description": text, "content": content}}}


def takes(is_accepted: str) -> dict[str, Any]:
    """Return the arguments of a route that puts a fact on the bus."""
    sample = {"event_id": "7b0c1c1e-5d0a-5f58-9d3e-0a8f6a1f2c11", "status": "accepted"}
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in sample}}
    return answers(schema, sample, 202, is_accepted)


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the whole document."""
    document = get_openapi(
        title="Trunkline",
        version="1",
        description=ABOUT,
        routes=app.routes,
        openapi_version="3.1.0",
        tags=[{"name": name, "description": text} for name, text in TAGS],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = PROBLEM_SCHEMA
    for descriptor in _USED.values():
        add_schema(descriptor, schemas)
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    document["paths"]["/v1/events"] = {"post": _events()}
    for path in document["paths"].values():
        for operation in path.values():
            _complete(operation)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document


def _complete(operation: dict[str, Any]) -> None:
    """Add what all operations share: security, roles, problems."""
    name = operation["operationId"]
    responses = operation["responses"]
    responses.pop("422", None)
    problem = {"description": "Problem", "content": {"application/problem+json": {"schema": PROBLEM}}}
    responses["default"] = problem
    if name in permissions.PUBLIC:
        operation["security"] = []
        return
    operation["security"] = [{"bearer": []}]
    roles = ", ".join(sorted(permissions.ALLOWED.get(name, ())))
    operation["description"] = f"{operation.get('description', '')}\n\nRoles: {roles}.".strip()


def _events() -> dict[str, Any]:
    event: dict[str, Any] = {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "maxLength": 128},
            "source": {"type": "string", "maxLength": 256},
            "type": {"enum": sorted(TAKEN)},
            "time": {"type": "string", "format": "date-time"},
            "correlationid": {"type": "string"},
            "causationid": {"type": "string"},
            "sequence": {"type": "string"},
            "traceparent": {"type": "string"},
            "data": {"type": "object"},
        },
    }
    sample = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/shop/web",
        "type": "trunkline.visitor.page_viewed.v1",
        "time": "2026-03-02T09:30:00.000Z",
        "data": {"visitor_id": "v-1", "url": "https://bank.example/loans", "title": "Loans"},
    }
    result = {"id": "e-1", "status": "accepted"}
    batch = {"accepted": 1, "refused": 0, "results": [result]}
    return {
        "tags": ["events"],
        "operationId": "ingest_events",
        "summary": "Tell what happened on a channel",
        "description": (
            "CloudEvents 1.0 in structured, batch (at most 500 events) or binary (`ce-` headers) mode; "
            "at most 1 MB, 256 KB an event. The tenant is the token's. Answered only when the events are "
            "durably on the bus: an event that comes again under its id changes nothing."
        ),
        "requestBody": {
            "required": True,
            "content": {
                "application/cloudevents+json": {"schema": event, "example": sample},
                "application/cloudevents-batch+json": {
                    "schema": {"type": "array", "items": event, "minItems": 1, "maxItems": 500},
                    "example": [sample],
                },
                "application/json": {"schema": {"type": "object"}, "example": sample["data"]},
            },
        },
        "responses": {
            "202": {
                "description": "All events are on the bus.",
                "content": {"application/json": {"example": result}},
            },
            "200": {
                "description": "A batch of which some events were refused; `results` says which and why.",
                "content": {"application/json": {"example": batch}},
            },
        },
    }


def text_of(app: FastAPI) -> str:
    return json.dumps(describe(app), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> None:
    from gateway.app import api
    from gateway.openapi import text_of as described  # the module that routes registered with

    parser = argparse.ArgumentParser(description="Write docs/openapi.json, or check that it is up to date.")
    parser.add_argument("--check", action="store_true")
    text = described(api())
    if not parser.parse_args().check:
        FILE.write_text(text, "utf-8")
    elif FILE.read_text("utf-8") != text:
        sys.exit(f"{FILE} is not what the gateway does; run: python -m gateway.openapi")


if __name__ == "__main__":
    main()
