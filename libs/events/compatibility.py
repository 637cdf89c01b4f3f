"""What may change in a published version of a fact: a new optional field, and nothing else."""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

# What describes a schema without changing what fits it.
_WORDS = frozenset({"title", "description", "examples", "$id", "$schema", "$defs"})
_STRUCTURE = frozenset({"properties", "required", "items", "anyOf", "$ref"})


def breaks(published: Schema, present: Schema) -> list[str]:
    """Return what a reader of the published schema would stumble over, one line each; empty: compatible."""
    return list(_compare("$", published, present, published, present))


def _compare(path: str, old: Schema, new: Schema, old_root: Schema, new_root: Schema) -> Iterator[str]:
    old, new = _resolve(old, old_root), _resolve(new, new_root)
    old_fields, new_fields = old.get("properties", {}), new.get("properties", {})
    for name, field in old_fields.items():
        if name not in new_fields:
            yield f"{path}.{name}: the field is gone"
        else:
            yield from _compare(f"{path}.{name}", field, new_fields[name], old_root, new_root)
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{path}.{name}: the field is required now"
    for name in sorted(set(old.get("required", ())) - set(new.get("required", ()))):
        yield f"{path}.{name}: the field is optional now, its readers count on it"
    if "items" in old or "items" in new:
        yield from _compare(f"{path}[]", old.get("items", {}), new.get("items", {}), old_root, new_root)
    old_parts, new_parts = old.get("anyOf", ()), new.get("anyOf", ())
    if len(old_parts) != len(new_parts):
        yield f"{path}: takes other kinds of value"
    for place, (one, other) in enumerate(zip(old_parts, new_parts, strict=False)):
        yield from _compare(f"{path}|{place}", one, other, old_root, new_root)
    for word in sorted((set(old) | set(new)) - _WORDS - _STRUCTURE):
        if old.get(word) != new.get(word):
            yield f"{path}: {word} was {old.get(word)!r}, is {new.get(word)!r}"


def _resolve(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref", "")
    if not reference:
        return schema
    target: Schema = root["$defs"][reference.rpartition("/")[2]]
    return {**target, **{word: value for word, value in schema.items() if word != "$ref"}}
