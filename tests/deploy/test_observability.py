"""Alerts and dashboard ask only for metrics that exist, by labels that exist."""

import json
import re
from collections.abc import Iterator

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from libs import metrics
from libs.settings import HEALTH_PORTS
from tests.deploy.rendering import ROOT, Document

FOLDER = ROOT / "deploy" / "observability"
SCRAPED_LABELS = {"job", "component", "instance", "le"}
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
NAME = re.compile(r"\btrunkline_[a-z_]+")


def declared() -> dict[str, set[str]]:
    """Return the labels of every series that the platform exposes, by its name."""
    series = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            for suffix in SUFFIXES[family.type]:
                series[family.name + suffix] = set(metric._labelnames)
    return series


def rules() -> list[Document]:
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[Document]:
    return list(json.loads((FOLDER / "dashboard.json").read_text())["panels"])


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    for panel in panels():
        yield from (target["expr"] for target in panel.get("targets", []))


def labels_in(expression: str) -> set[str]:
    grouped = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression)
    selected = re.findall(r"\{([^}]*)\}", expression)
    names = {name.strip() for group in grouped for name in group.split(",") if name.strip()}
    return names | set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", " ".join(selected)))


def test_it_asks_for_declared_metrics_only() -> None:
    named = {name for expression in expressions() for name in NAME.findall(expression)}

    assert named
    assert named <= set(declared())


def test_it_shows_every_metric_somewhere() -> None:
    shown = {name for panel in panels() for t in panel.get("targets", []) for name in NAME.findall(t["expr"])}

    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            assert shown & {family.name + suffix for suffix in SUFFIXES[family.type]}, family.name


def test_it_groups_and_selects_by_labels_that_exist() -> None:
    series = declared()
    for expression in expressions():
        known = set(SCRAPED_LABELS).union(*(series[name] for name in NAME.findall(expression)))
        assert labels_in(expression) <= known, expression


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_it_says_what_is_wrong_and_what_to_do(rule: Document) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    assert (ROOT / rule["annotations"]["runbook"]).is_file()
    for label in re.findall(r"\$labels\.([a-z_]+)", rule["annotations"]["summary"]):
        kept = labels_in(rule["expr"])
        assert label in kept or " by " not in f" {rule['expr']} "


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_it_balances_its_brackets(expression: str) -> None:
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing)


def test_it_names_alerts_once() -> None:
    names = [rule["alert"] for rule in rules()]

    assert len(names) == len(set(names))


def test_it_lays_panels_out_without_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        }
        assert not taken & cells, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_it_scrapes_every_process_of_the_local_stack() -> None:
    (job,) = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())["scrape_configs"]
    targets = {config["labels"]["component"]: config["targets"] for config in job["static_configs"]}

    assert targets == {name.replace("_", "-"): [f"127.0.0.1:{port}"] for name, port in HEALTH_PORTS.items()}
