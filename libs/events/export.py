"""
Write what is generated from the contracts: schemas, examples, the AsyncAPI catalogue and its readable page.

python -m libs.events.export           writes them
python -m libs.events.export --check   fails where a committed file differs, or a published version was broken
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from libs import wire
from libs.events.base import Fact
from libs.events.catalogue import FACTS, MODULES, TOPICS, dead_letters_of
from libs.events.compatibility import breaks
from libs.events.samples import sample

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PUBLISHED = HERE / "published.json"  # the schemas as they were when first published
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(fact: type[Fact]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a fact's data."""
    own = fact.model_json_schema()
    return {"$schema": DIALECT, "$id": f"{wire.SCHEMA_PREFIX}{fact.type}", **own}


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3 document of the whole bus."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Trunkline customer-journey bus",
            "version": "1.0.0",
            "description": "Facts as CloudEvents 1.0 in Kafka's binary content mode (ce_ headers).",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "127.0.0.1:9092", "protocol": "kafka"}},
        "channels": {
            topic: {
                "address": topic,
                "description": f"Unreadable records go to {dead_letters_of(topic)}.",
                "messages": {
                    fact.type: {"$ref": f"#/components/messages/{fact.type}"}
                    for fact in FACTS
                    if fact.topic() == topic
                },
            }
            for topic in TOPICS
        },
        "operations": {
            f"read.{topic}": {"action": "receive", "channel": {"$ref": f"#/channels/{topic}"}}
            for topic in TOPICS
        },
        "components": {
            "messages": {fact.type: _message(fact) for fact in FACTS},
            "messageTraits": {"cloudEvent": {"headers": _header_schema()}},
        },
    }


def _message(fact: type[Fact]) -> dict[str, Any]:
    event = sample(fact)
    return {
        "name": fact.type,
        "title": fact.__name__,
        "summary": (fact.__doc__ or "").strip().splitlines()[0],
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "payload": {"$ref": f"../libs/events/schemas/{fact.type}.json"},
        "examples": [
            {"name": "example", "payload": event.data.model_dump(mode="json", exclude_defaults=True)}
        ],
    }


def _header_schema() -> dict[str, Any]:
    required = ["specversion", "id", "source", "type", "subject", "time", "tenant", "correlationid"]
    optional = ["dataschema", "causationid", "sequence", "traceparent"]
    names = [f"ce_{name}" for name in (*required, *optional)]
    return {
        "type": "object",
        "required": [f"ce_{name}" for name in required],
        "properties": {name: {"type": "string"} for name in names},
    }


def page() -> str:
    """Return docs/events.md."""
    lines = [
        "# The events of the bus",
        "",
        "Generated from `libs/events` by `make catalogue`; do not edit. Every event is a CloudEvent 1.0 in",
        "Kafka's binary content mode: attributes are `ce_` headers, the data is JSON. A field left out is",
        "at its default. `pii` holds personal data. For programs: [asyncapi.yaml](asyncapi.yaml), a schema",
        "per type in `libs/events/schemas/`, one example per type in `libs/events/examples/`.",
        "",
        "| topic | what it carries | types |",
        "|---|---|---|",
    ]
    for module, topic in zip(MODULES, TOPICS, strict=True):
        first = " ".join((module.__doc__ or "").strip().split("\n\n", maxsplit=1)[0].split())
        lines.append(f"| `{topic}` | {first} | {sum(fact.topic() == topic for fact in FACTS)} |")
    for topic in TOPICS:
        lines += ["", f"## {topic}"]
        for fact in FACTS:
            if fact.topic() == topic:
                lines += _section(fact)
    return "\n".join(lines) + "\n"


def _section(fact: type[Fact]) -> list[str]:
    schema = fact.model_json_schema()
    required = schema.get("required", [])
    rows = [
        f"| `{name}` | {_kind(field)} | {'yes' if name in required else ''} |"
        for name, field in schema.get("properties", {}).items()
    ]
    text = " ".join((fact.__doc__ or "").split())
    return ["", f"### {fact.type}", "", text, "", "| field | type | required |", "|---|---|---|", *rows]


def _kind(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "enum" in field:
        return " / ".join(map(str, field["enum"]))
    if "anyOf" in field:
        return " or ".join(_kind(part) for part in field["anyOf"])
    if field.get("type") == "array":
        return f"list of {_kind(field.get('items', {}))}"
    return str(field.get("format") or field.get("type") or "any")


def files() -> dict[Path, str]:
    """Return every generated file with its content."""
    made: dict[Path, str] = {}
    for fact in FACTS:
        made[HERE / "schemas" / f"{fact.type}.json"] = _json(schema_of(fact))
        made[HERE / "examples" / f"{fact.type}.json"] = _json(wire.to_structured(sample(fact)))
    made[ROOT / "docs" / "asyncapi.yaml"] = yaml.safe_dump(
        asyncapi(), sort_keys=False, allow_unicode=True, width=110
    )
    made[ROOT / "docs" / "events.md"] = page()
    return made


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def broken_versions() -> list[str]:
    """Return how the contracts break what was published; a type that is new is not broken."""
    if not PUBLISHED.exists():
        return []
    present = {fact.type: schema_of(fact) for fact in FACTS}
    found: list[str] = []
    for name, schema in json.loads(PUBLISHED.read_text("utf-8")).items():
        if name not in present:
            found.append(f"{name}: the type is gone")
        else:
            found += [f"{name} {problem}" for problem in breaks(schema, present[name])]
    return found


def main(arguments: list[str]) -> int:
    broken = broken_versions()
    if broken:
        print("A published version was changed; add a new version beside it:", *broken, sep="\n  ")
        return 1
    made = files()
    if "--check" in arguments:
        stale = [path for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text]
        stale += [
            path for path in (*HERE.glob("schemas/*.json"), *HERE.glob("examples/*.json")) if path not in made
        ]
        if stale:
            print(
                "Out of date, run `make catalogue`:", *(path.relative_to(ROOT) for path in stale), sep="\n  "
            )
        return 1 if stale else 0
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    # New types and new optional fields become part of what later changes are held to.
    PUBLISHED.write_text(_json({fact.type: schema_of(fact) for fact in FACTS}), "utf-8")
    print(f"{len(made)} files written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
