"""The pages for those who run the platform say what the code says."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic.fields import FieldInfo

from libs.settings import GRPC_PORTS, HEALTH_PORTS, Settings
from tests.deploy.rendering import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
ALERTS = (ROOT / "deploy" / "observability" / "alerts.yaml").read_text()
PAGES = [ROOT / "docs" / "operations.md", *sorted((ROOT / "docs" / "runbooks").glob("*.md"))]


def rows() -> dict[str, str]:
    """Return the documented settings with their defaults."""
    found = re.findall(r"^\| `(TRUNKLINE_[A-Z0-9_]+)`(?: †)? \| (?:`([^`]*)`)? ?\|", PAGE, re.MULTILINE)
    return {name: default for name, default in found}  # noqa: C416 - pairs of strings, said once


def settings_classes() -> Iterator[type[Settings]]:
    yield Settings
    for file in sorted([*ROOT.glob("services/*/settings.py"), *ROOT.glob("gateway/settings.py")]):
        module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
        for member in vars(module).values():
            if (
                isinstance(member, type)
                and issubclass(member, Settings)
                and member.__module__ == module.__name__
            ):
                yield member


def shown_default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is None or default == "":
        return ""
    if isinstance(default, Path) and default.is_relative_to(ROOT):
        return str(default.relative_to(ROOT))
    return f"{default:g}" if isinstance(default, float) else str(default)


def declared() -> dict[str, str]:
    return {
        f"TRUNKLINE_{name.upper()}": shown_default(field)
        for each in settings_classes()
        for name, field in each.model_fields.items()
    }


def test_it_documents_every_setting_with_its_default() -> None:
    wanted, written = declared(), rows()

    missing = [f"| `{name}` | {f'`{value}` ' if value else ''}| ... |" for name, value in wanted.items()]
    assert [row for name, row in zip(wanted, missing, strict=True) if written.get(name) != wanted[name]] == []


def test_it_documents_no_setting_that_is_gone() -> None:
    assert set(rows()) <= set(declared())


@pytest.mark.parametrize("process", HEALTH_PORTS)
def test_it_documents_the_ports(process: str) -> None:
    module = process if process == "gateway" else f"services.{process}"
    grpc = f"{GRPC_PORTS[process]} " if process in GRPC_PORTS else ""

    assert f"| {process} | `python -m {module}` | {grpc}| {HEALTH_PORTS[process]} |" in PAGE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_it_links_to_pages_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert (page.parent / target).is_file(), target


def test_it_leads_to_every_runbook() -> None:
    for runbook in PAGES[1:]:
        assert f"(runbooks/{runbook.name})" in PAGE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_it_names_alerts_and_files_that_exist(page: Path) -> None:
    text = page.read_text()
    alerts = re.findall(r"alert: (\w+)", ALERTS)

    assert set(re.findall(r"`(Trunkline[A-Z]\w+)`", text)) <= set(alerts)
    for file in re.findall(r"(?:deploy|docs|libs)/[\w/.-]+\.(?:yaml|md|py|json)", text):
        assert (ROOT / file).is_file(), file


def test_it_names_every_alert_in_its_runbook() -> None:
    for group in yaml.safe_load(ALERTS)["groups"]:
        for rule in group["rules"]:
            runbook = (ROOT / rule["annotations"]["runbook"]).read_text()
            assert rule["alert"] in runbook, f"{rule['alert']} is not named in its runbook"
