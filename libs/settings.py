"""The settings that every process of the platform shares, read once from the environment."""

from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict

SERVICES = (
    "session",
    "routing",
    "ivr",
    "crm_context",
    "workflow",
    "recording",
    "analytics",
    "repair",
    "audit",
)

# One line per service keeps the local stack, compose and the chart on the same numbers.
GRPC_PORTS = {name: 9101 + place for place, name in enumerate(SERVICES)}
HEALTH_PORTS = {name: 9201 + place for place, name in enumerate(SERVICES)} | {"gateway": 9200}


class Settings(BaseSettings):
    """
    The frozen settings of one process; a service adds its own by a subclass.

    Every name is read from the environment as `TRUNKLINE_<NAME>`.
    """

    model_config = SettingsConfigDict(env_prefix="TRUNKLINE_", frozen=True, extra="ignore")

    environment: Literal["local", "production"] = "local"
    log_level: str = "INFO"
    data_dir: Path = Path(".local")
    host: str = "127.0.0.1"
    otlp_endpoint: str = ""

    kafka_bootstrap: str = "127.0.0.1:9092"
    kafka_partitions: int = 3
    kafka_replication: int = 1
    kafka_fetch_wait_ms: int = 20
    kafka_patient_wait_ms: int = 250  # of readers that nobody waits for
    kafka_compression: Literal["none", "lz4", "zstd"] = "zstd"
    kafka_session_timeout_ms: int = 6000
    kafka_client_config: str = ""  # JSON of aiokafka's security settings (TLS, SASL)

    mongo_url: str = "mongodb://127.0.0.1:27017/?replicaSet=rs0"
    mongo_database_prefix: str = "trunkline_"

    object_store_url: str = ""  # file:///path or s3://bucket/prefix; empty: <data_dir>/objects
    s3_endpoint: str = ""  # of an S3 server other than AWS; AWS_ENDPOINT_URL does the same

    session_address: str = f"127.0.0.1:{GRPC_PORTS['session']}"
    routing_address: str = f"127.0.0.1:{GRPC_PORTS['routing']}"
    ivr_address: str = f"127.0.0.1:{GRPC_PORTS['ivr']}"
    crm_context_address: str = f"127.0.0.1:{GRPC_PORTS['crm_context']}"
    workflow_address: str = f"127.0.0.1:{GRPC_PORTS['workflow']}"
    recording_address: str = f"127.0.0.1:{GRPC_PORTS['recording']}"
    analytics_address: str = f"127.0.0.1:{GRPC_PORTS['analytics']}"
    repair_address: str = f"127.0.0.1:{GRPC_PORTS['repair']}"
    audit_address: str = f"127.0.0.1:{GRPC_PORTS['audit']}"
    # The key that signs service-to-service calls; every service of one installation has the same.
    service_secret: str = ""

    grpc_port: int = 0  # 0: the service's own port of GRPC_PORTS
    health_port: int = 0  # 0: the process's own port of HEALTH_PORTS
    gateway_port: int = 8080

    def grpc_port_of(self, service: str) -> int:
        return self.grpc_port or GRPC_PORTS[service]

    def health_port_of(self, process: str) -> int:
        return self.health_port or HEALTH_PORTS[process]

    def database_of(self, service: str) -> str:
        return f"{self.mongo_database_prefix}{service}"
