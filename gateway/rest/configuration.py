"""What is configured for routing: one file of all, and items one by one."""

from typing import Annotated, Any

from fastapi import Body, Path, Query
from pydantic import JsonValue
from starlette.responses import Response

from gateway.asking import Ask, Cursor, Limit, Name, NameQuery, answer
from gateway.openapi import gives
from gateway.rest import router
from libs.errors import Invalid, Unsupported, Violation
from libs.rpc.routing.v1 import configuration_pb2 as pb
from libs.structs import struct_of

routes = router("configuration")
YAML, JSON = "application/yaml", "application/json"
FORMATS = {YAML: "yaml", "application/x-yaml": "yaml", "text/yaml": "yaml", JSON: "json"}
TAKING_OVER_S = 60.0
SAMPLE: dict[str, JsonValue] = {
    "format": "trunkline.configuration.v1",
    "skills": {"service": {"name": "Service", "name_zh": "客户服务"}},
    "calendars": {
        "office": {
            "time_zone": "Asia/Shanghai",
            "weekly": {"0": [{"start": "09:00", "end": "18:00"}]},
            "holidays": ["2026-10-01"],
        }
    },
}
FILE: dict[str, Any] = {each: {"schema": {"type": "object"}, "example": SAMPLE} for each in (YAML, JSON)}

Section = Annotated[
    str,
    Path(
        pattern="^(skills|calendars|reasons|queues|agents)$", description="The kind of thing, as in the file."
    ),
]
Document = Annotated[
    dict[str, Any],
    Body(
        max_length=100,
        description="The item as it stands in the file.",
        examples=[{"name": "Customer service", "name_zh": "客户服务"}],
    ),
]


@routes.get(
    "/routing/configuration",
    operation_id="export_configuration",
    responses={200: {"description": "The file.", "content": FILE}},
)
async def export_configuration(ask: Ask) -> Response:
    """Return all that is configured as a file: YAML, or JSON where `Accept` asks for that."""
    accepted = ask.request.headers.get("accept", "")
    media_type = JSON if JSON in accepted and "yaml" not in accepted else YAML
    request = pb.ExportConfigurationRequest(format=FORMATS[media_type])
    found = await ask.services.configuration.ExportConfiguration(request)
    return Response(found.text, headers={"ETag": f'"{found.version}"'}, media_type=media_type)


@routes.post(
    "/routing/configuration",
    operation_id="import_configuration",
    openapi_extra={"requestBody": {"required": True, "content": FILE}},
    **gives(pb.ImportConfigurationResponse),
)
async def import_configuration(
    ask: Ask,
    dry_run: Annotated[bool, Query(description="Say what would change, and change nothing.")] = False,
    prune: Annotated[
        bool, Query(description="Remove what the file does not have, in the sections that it has.")
    ] = False,
) -> Response:
    """Take a file over (UTF-8, at most 2 MiB) and say what changes; If-Match guards its version."""
    media_type = ask.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in FORMATS:
        raise Unsupported("unsupported_media_type", f"send the file as {YAML} or {JSON}")
    try:
        text = (await ask.request.body()).decode()
    except UnicodeDecodeError:
        raise Invalid(Violation("body", "must be UTF-8")) from None
    request = pb.ImportConfigurationRequest(
        text=text,
        format=FORMATS[media_type],
        dry_run=dry_run,
        prune=prune,
        expected_version=ask.expected_version,
        request_id=ask.request_id,
    )
    return answer(await ask.services.configuration.ImportConfiguration(request, timeout=TAKING_OVER_S))


@routes.get(
    "/routing/configuration/{section}",
    operation_id="list_configured_items",
    **gives(pb.ConfiguredItem, listed=True),
)
async def list_configured_items(
    ask: Ask, section: Section, pool_id: NameQuery = "", limit: Limit = 50, cursor: Cursor = ""
) -> Response:
    """Return the items of a section by pool and id."""
    request = pb.ListItemsRequest(section=section, pool_id=pool_id, page=ask.page(limit, cursor))
    found = await ask.services.configuration.ListItems(request)
    return ask.listed(found.items, found.page)


@routes.get(
    "/routing/configuration/{section}/{item_id}",
    operation_id="get_configured_item",
    **gives(pb.ConfiguredItem),
)
async def get_configured_item(ask: Ask, section: Section, item_id: Name, pool_id: NameQuery = "") -> Response:
    """Return one item."""
    request = pb.GetItemRequest(section=section, pool_id=pool_id, item_id=item_id)
    return answer((await ask.services.configuration.GetItem(request)).item)


@routes.put(
    "/routing/configuration/{section}/{item_id}",
    operation_id="put_configured_item",
    **gives(pb.ConfiguredItem),
)
async def put_configured_item(
    ask: Ask, section: Section, item_id: Name, document: Document, pool_id: NameQuery = ""
) -> Response:
    """Create an item or replace all of it; If-Match names its version, "0" that it is to be new."""
    request = pb.PutItemRequest(
        section=section,
        pool_id=pool_id,
        item_id=item_id,
        document=struct_of(document),
        expected_version=ask.expected_version,
        request_id=ask.request_id,
    )
    return answer((await ask.services.configuration.PutItem(request)).item)


@routes.delete(
    "/routing/configuration/{section}/{item_id}",
    operation_id="remove_configured_item",
    **gives(pb.RemoveItemResponse),
)
async def remove_configured_item(
    ask: Ask, section: Section, item_id: Name, pool_id: NameQuery = ""
) -> Response:
    """Remove an item that nothing uses; If-Match names its version."""
    request = pb.RemoveItemRequest(
        section=section,
        pool_id=pool_id,
        item_id=item_id,
        expected_version=ask.expected_version,
        request_id=ask.request_id,
    )
    return answer(await ask.services.configuration.RemoveItem(request))
