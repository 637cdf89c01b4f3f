"""Render the chart as `helm template` would, for tests."""

import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import helm_python as helm
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "trunkline"
RELEASE = "trunkline"
ADDRESSES = "ci/addresses.yaml"
VARIANTS = {
    "default": (ADDRESSES,),
    "small": ("values-small.yaml", ADDRESSES),
    "large": ("values-large.yaml", ADDRESSES),
    "everything": (ADDRESSES, "ci/everything.yaml"),
}

Document: TypeAlias = dict[str, Any]


def merged(base: Document, over: Document) -> Document:
    """Return `base` with `over` laid over it, as helm does with several values files."""
    result = copy.deepcopy(base)
    for name, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(name), dict)
        result[name] = merged(result[name], value) if both else copy.deepcopy(value)
    return result


def values(*files: str, **more: object) -> Document:
    result: Document = {}
    for file in files:
        result = merged(result, yaml.safe_load((CHART / file).read_text()))
    return merged(result, more)


def render(given: Document) -> list[Document]:
    """
    Return the documents of a release in namespace `contact`, hooks too.

    :raises helm.HelmError: the schema or a template refuses the values.
    """
    with helm.Chart.load(str(CHART)) as chart:
        texts = chart.render(given, name=RELEASE, namespace="contact", is_install=True)
    return list(_documents(texts))


def _documents(texts: dict[str, str]) -> Iterator[Document]:
    for name, text in texts.items():
        if name.endswith(".yaml"):
            yield from (document for document in yaml.safe_load_all(text) if document)


@cache
def variant(name: str) -> tuple[Document, ...]:
    return tuple(render(values(*VARIANTS[name])))


def of_kind(documents: tuple[Document, ...] | list[Document], kind: str) -> dict[str, Document]:
    return {document["metadata"]["name"]: document for document in documents if document["kind"] == kind}


def object_name(process: str) -> str:
    return f"{RELEASE}-{process.replace('_', '-')}"
