"""The contracts of the bus: every type has a key, a schema, an example, and keeps what it published."""

import json
from pathlib import Path
from uuid import uuid5

import jsonschema
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event

from libs import wire
from libs.events import export
from libs.events.base import NAMESPACE, Fact, follow_id
from libs.events.catalogue import BY_TYPE, FACTS
from libs.events.compatibility import breaks
from libs.events.samples import sample

by_name = pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.type)


@by_name
def test_it_has_a_type_that_names_its_topic_and_version(fact: type[Fact]) -> None:
    prefix, topic, name, version = fact.type.split(".")

    assert (prefix, version[0]) == ("trunkline", "v")
    assert topic == fact.__module__.rpartition(".")[2]
    assert name.replace("_", "") == fact.__name__.lower()
    assert fact.__doc__


@by_name
def test_it_survives_the_wire(fact: type[Fact]) -> None:
    event = sample(fact)

    record = wire.encode(event)

    assert wire.decode(record.headers, record.value) == event
    assert wire.from_structured(json.loads(json.dumps(wire.to_structured(event)))) == event


@by_name
def test_it_is_a_cloud_event_to_the_cloudevents_library(fact: type[Fact]) -> None:
    event = sample(fact)
    record = wire.encode(event)

    read = from_kafka_event(
        KafkaMessage(headers=dict(record.headers), key=record.key, value=record.value or b"")
    )

    assert (read.get_id(), read.get_type(), read.get_subject()) == (event.id, event.type, event.key)
    assert read.get_extension("tenant") == event.tenant


@by_name
def test_its_committed_example_fits_its_committed_schema(fact: type[Fact]) -> None:
    folder = Path(export.HERE)
    schema = json.loads((folder / "schemas" / f"{fact.type}.json").read_text("utf-8"))
    example = json.loads((folder / "examples" / f"{fact.type}.json").read_text("utf-8"))

    jsonschema.Draft202012Validator(schema).validate(example["data"])
    assert wire.from_structured(example).type == fact.type


@by_name
def test_it_ignores_fields_it_does_not_know(fact: type[Fact]) -> None:
    record = wire.encode(sample(fact))
    richer = json.dumps({**json.loads(record.value or b""), "a_newer_field": 1}).encode()

    assert wire.decode(record.headers, richer).data == sample(fact).data


def test_it_keeps_what_was_published() -> None:
    assert export.broken_versions() == []
    assert set(json.loads(export.PUBLISHED.read_text("utf-8"))) == set(BY_TYPE)


def test_its_generated_files_are_up_to_date() -> None:
    assert export.main(["--check"]) == 0


OLD = {
    "type": "object",
    "properties": {"a": {"type": "string"}, "b": {"type": "integer", "default": 1}},
    "required": ["a"],
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"properties": {**OLD["properties"], "c": {"type": "string", "default": ""}}}, []),  # type: ignore[dict-item]
        ({"properties": {"a": {"type": "string"}}}, ["$.b: the field is gone"]),
        ({"required": ["a", "b"]}, ["$.b: the field is required now"]),
        ({"required": []}, ["$.a: the field is optional now, its readers count on it"]),
        (
            {"properties": {**OLD["properties"], "a": {"type": "integer"}}},  # type: ignore[dict-item]
            ["$.a: type was 'string', is 'integer'"],
        ),
        (
            {"properties": {**OLD["properties"], "a": {"type": "string", "maxLength": 3}}},  # type: ignore[dict-item]
            ["$.a: maxLength was None, is 3"],
        ),
    ],
)
def test_it_refuses_what_a_reader_would_stumble_over(change: dict[str, object], expected: list[str]) -> None:
    assert breaks(OLD, {**OLD, **change}) == expected


def test_it_derives_ids_that_are_version_5_uuids_of_cause_and_what() -> None:
    for cause, what in (("e-1", "routed"), ("acme/visitor/王", "journey"), ("", "")):
        assert follow_id(cause, what) == str(uuid5(NAMESPACE, f"{cause}/{what}"))
