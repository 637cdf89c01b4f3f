"""The settings of the replay: who it is to the gateway."""

from libs.settings import Settings


class ReplaySettings(Settings):
    """Read as TRUNKLINE_<NAME>; the defaults are those of the local stack."""

    gateway_url: str = ""  # empty: the local one
    adapter_id: str = "adapter1"
    adapter_secret: str = "adapter1"  # noqa: S105  (of the local stack's demo user)
    reader_id: str = "analyst1"  # who asks for the figures; adapters may not
    reader_secret: str = "analyst1"  # noqa: S105  (as above)

    @property
    def url(self) -> str:
        return self.gateway_url or f"http://127.0.0.1:{self.gateway_port}"

    def with_local_secret(self) -> "ReplaySettings":
        """Return the settings with the key that `make up` has made, unless another is given."""
        file = self.data_dir / "service.secret"
        if self.service_secret or not file.is_file():
            return self
        return self.model_copy(update={"service_secret": file.read_text().strip()})
