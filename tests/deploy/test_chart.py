"""The chart lints, renders documents that Kubernetes accepts, and says what the processes need."""

import re
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest

from libs.settings import GRPC_PORTS, HEALTH_PORTS, Settings
from tests.deploy.rendering import (
    ADDRESSES,
    CHART,
    VARIANTS,
    Document,
    object_name,
    of_kind,
    render,
    values,
    variant,
)
from tests.deploy.test_operations import declared

PROCESSES = tuple(HEALTH_PORTS)
KUBERNETES = "1.30"
FOREIGN_KINDS = {"ServiceMonitor"}  # of the Prometheus operator, which kubernetes-validate does not know
SCALED = ("default", "large", "everything")


def container(process: str, name: str = "default") -> Document:
    pod = of_kind(variant(name), "Deployment")[object_name(process)]["spec"]["template"]["spec"]
    (only,) = pod["containers"]
    return dict(only)


def with_pods(documents: tuple[Document, ...]) -> list[Document]:
    return [*of_kind(documents, "Deployment").values(), *of_kind(documents, "Job").values()]


def plain_env(process: str) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container(process)["env"] if "value" in entry}


@pytest.mark.parametrize("name", VARIANTS)
def test_it_lints(name: str) -> None:
    report = helm.lint(str(CHART), values(*VARIANTS[name]), strict=True, kube_version=KUBERNETES)

    assert report["errors"] == []
    assert [m for m in report["messages"] if "icon is recommended" not in m["error"]] == []


@pytest.mark.parametrize("name", VARIANTS)
def test_it_renders_what_kubernetes_accepts(name: str) -> None:
    for document in variant(name):
        if document["kind"] not in FOREIGN_KINDS:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_it_would_notice_a_misspelt_field() -> None:
    document = of_kind(variant("default"), "Service")[object_name("gateway")]

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**document, "specs": {}}, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", VARIANTS)
def test_it_names_no_object_twice(name: str) -> None:
    names = [(document["kind"], document["metadata"]["name"]) for document in variant(name)]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", VARIANTS)
def test_it_has_every_process_and_no_other(name: str) -> None:
    wanted = {object_name(process) for process in PROCESSES}

    for kind in ("Deployment", "PodDisruptionBudget", "ServiceAccount"):
        assert set(of_kind(variant(name), kind)) == wanted
    scaled = wanted if name in SCALED else set()
    assert set(of_kind(variant(name), "HorizontalPodAutoscaler")) == scaled


@pytest.mark.parametrize("process", PROCESSES)
def test_it_starts_the_process(process: str) -> None:
    module = process if process == "gateway" else f"services.{process}"

    assert [*container(process)["command"], *container(process)["args"]] == ["python", "-m", module]


@pytest.mark.parametrize("process", PROCESSES)
def test_it_opens_the_ports_of_the_settings(process: str) -> None:
    wanted = {"health": HEALTH_PORTS[process]}
    if process == "gateway":
        wanted["http"] = Settings(_env_file=None).gateway_port
    else:
        wanted["grpc"] = GRPC_PORTS[process]

    assert {port["name"]: port["containerPort"] for port in container(process)["ports"]} == wanted
    told = plain_env(process)
    setting = {
        "health": "TRUNKLINE_HEALTH_PORT",
        "http": "TRUNKLINE_GATEWAY_PORT",
        "grpc": "TRUNKLINE_GRPC_PORT",
    }
    for name, port in wanted.items():
        assert told[setting[name]] == str(port)


@pytest.mark.parametrize("process", PROCESSES)
def test_it_probes_the_process(process: str) -> None:
    probes = {
        name: container(process)[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")
    }

    assert probes == {
        "startup": {"path": "/livez", "port": "health"},
        "liveness": {"path": "/livez", "port": "health"},
        "readiness": {"path": "/readyz", "port": "health"},
    }


@pytest.mark.parametrize("process", PROCESSES)
def test_it_confines_the_process(process: str) -> None:
    pod = of_kind(variant("default"), "Deployment")[object_name(process)]["spec"]["template"]["spec"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(process)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container(process)["resources"]["limits"]["memory"]


@pytest.mark.parametrize("process", PROCESSES)
def test_it_leaves_time_to_finish_after_the_pause_before_sigterm(process: str) -> None:
    pod = of_kind(variant("default"), "Deployment")[object_name(process)]["spec"]["template"]["spec"]
    pause_s = int(container(process)["lifecycle"]["preStop"]["exec"]["command"][1])

    assert pod["terminationGracePeriodSeconds"] >= pause_s + 30


def test_it_keeps_service_links_out_of_the_settings() -> None:
    """A Service named trunkline-gateway would otherwise set TRUNKLINE_GATEWAY_PORT to an address."""
    for document in [
        *of_kind(variant("default"), "Deployment").values(),
        *of_kind(variant("default"), "Job").values(),
    ]:
        assert document["spec"]["template"]["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("name", ["default", "everything"])
def test_it_points_every_address_at_a_service_that_exists(name: str) -> None:
    settings = of_kind(variant(name), "ConfigMap")["trunkline"]["data"]
    services = of_kind(variant(name), "Service")

    for process, port in GRPC_PORTS.items():
        host, _, given = settings[f"TRUNKLINE_{process.upper()}_ADDRESS"].partition(":")
        assert int(given) == port
        assert port in [entry["port"] for entry in services[host]["spec"]["ports"]]
        assert services[host]["spec"].get("clusterIP") == ("None" if name == "default" else None)


def test_it_sets_only_settings_that_exist() -> None:
    known = set(declared())
    given = set(of_kind(variant("everything"), "ConfigMap")["trunkline"]["data"])
    for document in of_kind(variant("everything"), "Deployment").values():
        for entry in document["spec"]["template"]["spec"]["containers"][0]["env"]:
            given.add(entry["name"])

    assert {name for name in given if name.startswith("TRUNKLINE_")} <= known


def test_it_reads_settings_as_the_process_would() -> None:
    data = of_kind(variant("default"), "ConfigMap")["trunkline"]["data"]
    given: dict[str, Any] = {
        name.removeprefix("TRUNKLINE_").lower(): value
        for name, value in data.items()
        if name.startswith("TRUNKLINE_")
    }

    settings = Settings(**given)

    assert settings.environment == "production"
    assert settings.kafka_partitions == 12
    assert settings.host == "0.0.0.0"
    assert settings.object_store_url.startswith("s3://")


@pytest.mark.parametrize("name", VARIANTS)
def test_it_holds_no_secret(name: str) -> None:
    secret = re.compile(r"SECRET|PASSWORD|TOKEN|MONGO_URL|ACCESS_KEY|CLIENT_CONFIG")
    documents = variant(name)

    assert of_kind(documents, "Secret") == {}
    for setting in of_kind(documents, "ConfigMap")["trunkline"]["data"]:
        assert not secret.search(setting)
    for document in with_pods(documents):
        for entry in document["spec"]["template"]["spec"]["containers"][0]["env"]:
            if secret.search(entry["name"]):
                assert "value" not in entry
                assert entry["valueFrom"]["secretKeyRef"]["name"]


def test_it_creates_topics_before_anything_else() -> None:
    (job,) = of_kind(variant("default"), "Job").values()
    (only,) = job["spec"]["template"]["spec"]["containers"]

    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert [*only["command"], *only["args"]] == ["python", "-m", "libs.topics"]
    assert {"name": "TRUNKLINE_KAFKA_BOOTSTRAP", "value": "kafka.kafka.svc:9092"} in only["env"]
    # The release's ConfigMap and service accounts do not exist yet when the hook runs.
    assert "envFrom" not in only
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]


def test_it_lets_processes_hold_leases_and_nothing_more() -> None:
    (role,) = of_kind(variant("default"), "Role").values()
    (binding,) = of_kind(variant("default"), "RoleBinding").values()

    assert [rule["resources"] for rule in role["rules"]] == [["leases"]]
    assert {subject["name"] for subject in binding["subjects"]} <= set(
        of_kind(variant("default"), "ServiceAccount")
    )
    assert not of_kind(variant("default"), "ClusterRole")


@pytest.mark.parametrize("name", SCALED)
def test_it_leaves_the_number_of_replicas_to_the_autoscaler(name: str) -> None:
    for document in of_kind(variant(name), "Deployment").values():
        assert "replicas" not in document["spec"]


def test_it_never_lets_a_budget_block_a_drain() -> None:
    for document in of_kind(variant("small"), "PodDisruptionBudget").values():
        assert document["spec"]["maxUnavailable"] >= 1


@pytest.mark.parametrize("name", VARIANTS)
def test_it_selects_the_pods_of_one_process(name: str) -> None:
    pods = {
        process: document["spec"]["template"]["metadata"]["labels"]
        for process, document in of_kind(variant(name), "Deployment").items()
    }
    selectors = [service["spec"]["selector"] for service in of_kind(variant(name), "Service").values()]
    for kind, field in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        documents = of_kind(variant(name), kind).values()
        selectors += [document["spec"][field]["matchLabels"] for document in documents]

    for selector in selectors:
        assert len([labels for labels in pods.values() if selector.items() <= labels.items()]) == 1


def test_it_keeps_sockets_open_at_the_ingress() -> None:
    (ingress,) = of_kind(variant("everything"), "Ingress").values()
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]

    assert ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "3600"
    assert backend == {"name": "trunkline-gateway", "port": {"name": "http"}}


def test_it_scrapes_the_health_port_of_every_service() -> None:
    (monitor,) = of_kind(variant("everything"), "ServiceMonitor").values()
    wanted = monitor["spec"]["selector"]["matchLabels"]

    assert monitor["spec"]["endpoints"][0]["port"] == "health"
    for service in of_kind(variant("everything"), "Service").values():
        assert wanted.items() <= service["metadata"]["labels"].items()
        assert "health" in [port["name"] for port in service["spec"]["ports"]]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"mongo": {"url": "mongodb://somebody:something@db"}}, "mongo"),
        ({"kafka": {"password": "x"}}, "kafka"),
        ({"kafka": {"bootstrap": "https://kafka"}}, "bootstrap"),
        ({"kafka": {"partitions": 0}}, "partitions"),
        ({"environment": "staging"}, "environment"),
        ({"objectStore": {"url": "/var/objects"}}, "url"),
        ({"oidc": {"issuer": "http://identity.example.com"}}, "issuer"),
        ({"components": {"session": {"grpcPort": 80}}}, "grpcPort"),
        ({"components": {"session": {"replica": 3}}}, "session"),
        ({"defaults": {"resources": {"limits": {"memory": "lots"}}}}, "memory"),
        ({"image": {"digest": "latest"}}, "digest"),
    ],
)
def test_it_refuses_a_wrong_value(wrong: Document, why: str) -> None:
    with pytest.raises(helm.HelmError, match=why):
        render(values(ADDRESSES, **wrong))


@pytest.mark.parametrize("missing", ["kafka.bootstrap", "objectStore.url", "oidc.issuer", "oidc.audience"])
def test_it_refuses_to_guess_an_address(missing: str) -> None:
    section, name = missing.split(".")

    with pytest.raises(helm.HelmError, match=re.escape(missing)):
        render(values(ADDRESSES, **{section: {name: ""}}))


def test_it_refuses_replicas_that_could_have_no_partition() -> None:
    with pytest.raises(helm.HelmError, match="7 replicas cannot share 6 partitions"):
        render(values("values-small.yaml", ADDRESSES, components={"session": {"replicas": 7}}))

    assert render(values("values-small.yaml", ADDRESSES, components={"gateway": {"replicas": 7}}))


def test_it_leaves_out_a_process_that_is_switched_off() -> None:
    documents = render(values(ADDRESSES, components={"ivr": {"enabled": False}}))

    assert object_name("ivr") not in of_kind(documents, "Deployment")
    assert "TRUNKLINE_IVR_ADDRESS" not in of_kind(documents, "ConfigMap")["trunkline"]["data"]
