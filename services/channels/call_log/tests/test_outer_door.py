"""A small log through the outer door: gateway, bus and analytics are the real ones."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import yaml

from deploy.dev.ports import free_ports
from libs import topics
from libs.settings import Settings
from services.channels.call_log.__main__ import arguments, run
from services.channels.call_log.settings import ReplaySettings
from services.channels.call_log.tests.processes import service
from services.channels.call_log.tests.rows import AT_ONCE, GONE, LEFT_MENU, MAPPING, SERVED, as_lines

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


@pytest.fixture
async def settings(kafka_bootstrap: str, mongo_url: str, tmp_path: Path) -> AsyncIterator[ReplaySettings]:
    """Run gateway and analytics as processes; give the settings by which to reach them."""
    gateway_port, grpc_port, *health_ports = free_ports(4)
    shared = Settings(
        data_dir=tmp_path / "data",
        kafka_bootstrap=kafka_bootstrap,
        mongo_url=mongo_url,
        mongo_database_prefix="outer_door_",
        service_secret="a secret that only these tests know",
        analytics_address=f"127.0.0.1:{grpc_port}",
        gateway_port=gateway_port,
    )
    await topics.create(shared)
    analytics = shared.model_copy(update={"grpc_port": grpc_port, "health_port": health_ports[0]})
    gateway = shared.model_copy(update={"health_port": health_ports[1]})
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(service("services.analytics", analytics, tmp_path / "analytics.log"))
        await stack.enter_async_context(service("gateway", gateway, tmp_path / "gateway.log"))
        yield ReplaySettings(**shared.model_dump(exclude_defaults=True))


async def test_it_replays_a_log_through_the_gateway_once_and_again(
    settings: ReplaySettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        row | {"no": f"{number}{kind}"}
        for number in range(150)
        for kind, row in enumerate((SERVED, AT_ONCE, GONE, LEFT_MENU))
    ]
    (tmp_path / "calls.csv").write_text("".join(as_lines(*rows)))
    (tmp_path / "mapping.yaml").write_text(
        yaml.safe_dump(MAPPING.model_dump(mode="json") | {"tenant": "demo"})
    )
    given = [str(tmp_path / "calls.csv"), "--mapping", str(tmp_path / "mapping.yaml"), "--within", "60"]

    codes = [await run(arguments(given), settings) for _ in range(2)]

    said = capsys.readouterr().out
    assert codes == [0, 0], said
    assert said.count("published 1,800 events") == 2
    assert said.count("2026-05-04") == 2
