"""The settings of the local stack, and where it keeps its things."""

from functools import cached_property
from pathlib import Path

from pydantic import Field

from libs.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
FIRST_SERVICE_PORT = 9100


class LocalSettings(Settings):
    """What can be told to `make up`; every process of the stack gets what follows from it."""

    local_kafka_port: int = 9092
    local_mongo_port: int = 27017
    local_service_ports: int = FIRST_SERVICE_PORT  # gRPC from here + 1, health from here + 100
    local_replicas: int = Field(default=1, ge=1, le=3)  # of every service and of the gateway
    kafka_home: Path | None = Field(default=None, validation_alias="KAFKA_HOME")

    @property
    def starts_broker(self) -> bool:
        return not ("kafka_bootstrap" in self.model_fields_set and self.kafka_bootstrap)

    @property
    def starts_mongo(self) -> bool:
        return not ("mongo_url" in self.model_fields_set and self.mongo_url)

    @property
    def broker_keeps_topics(self) -> bool:
        """Return whether topics outlive the broker process: all but the local default keep them."""
        return self.kafka_home is not None or not self.starts_broker

    @property
    def kafka_address(self) -> str:
        return f"127.0.0.1:{self.local_kafka_port}" if self.starts_broker else self.kafka_bootstrap

    @property
    def mongo_address(self) -> str:
        if not self.starts_mongo:
            return self.mongo_url
        return f"mongodb://127.0.0.1:{self.local_mongo_port}/?replicaSet=rs0"

    @cached_property
    def home(self) -> Path:
        """Return the absolute data directory."""
        return (ROOT / self.data_dir).resolve()

    @property
    def run_dir(self) -> Path:
        return self.home / "run"

    @property
    def log_dir(self) -> Path:
        return self.home / "logs"
