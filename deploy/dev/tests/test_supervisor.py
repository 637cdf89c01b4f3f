"""What dies is started again, and nothing outlives the supervisor."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.dev import servers
from deploy.dev.plan import Process
from deploy.dev.ports import free_ports
from deploy.dev.processes import LOOPBACK, broker_answers, wait_until
from deploy.dev.settings import LocalSettings
from deploy.dev.supervisor import Supervisor

SLEEPER = (sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)")

pytestmark = pytest.mark.real


@pytest.fixture
def settings(tmp_path: Path) -> LocalSettings:
    return LocalSettings(data_dir=tmp_path)


@pytest.fixture
def supervisor(settings: LocalSettings) -> Iterator[Supervisor]:
    supervisor = Supervisor(settings)
    yield supervisor
    supervisor.stop()


def seconds_until(ready: Callable[[], bool]) -> float:
    began = time.monotonic()
    wait_until("it", ready, within_s=20)
    return time.monotonic() - began


def pid_of(supervisor: Supervisor, name: str) -> int:
    wait_until(name, lambda: supervisor.pids()[name] is not None, within_s=10)
    return supervisor.pids()[name] or 0


def test_starts_again_within_a_second_what_was_killed(
    supervisor: Supervisor, settings: LocalSettings
) -> None:
    log = settings.log_dir / "one.log"
    supervisor.start([Process("one", SLEEPER), Process("other", SLEEPER)], {})
    supervisor.begin("one")
    supervisor.begin("other")
    wait_until("its first word", lambda: log.exists() and "here" in log.read_text(), within_s=10)
    killed, other = pid_of(supervisor, "one"), pid_of(supervisor, "other")

    os.kill(killed, signal.SIGKILL)
    took_s = seconds_until(lambda: log.read_text() == "here\nhere\n")

    assert took_s < 1
    assert pid_of(supervisor, "one") != killed
    assert supervisor.restarts("one") == 1
    assert (pid_of(supervisor, "other"), supervisor.restarts("other")) == (other, 0)


def test_never_gives_up_a_process_that_keeps_dying(supervisor: Supervisor) -> None:
    supervisor.start([Process("dying", (sys.executable, "-c", "raise SystemExit(3)"))], {})
    supervisor.begin("dying")

    took_s = seconds_until(lambda: supervisor.restarts("dying") >= 5)

    assert took_s > 2, "it is held back after the first few times"


def test_gives_each_process_its_environment_and_its_log(
    supervisor: Supervisor, settings: LocalSettings
) -> None:
    say = (
        sys.executable,
        "-c",
        "import os, time; print(os.environ['A'], os.environ['B'], flush=True); time.sleep(60)",
    )
    supervisor.start([Process("one", say, env={"B": "b of one"})], {"A": "a of all", "B": "b of all"})
    supervisor.begin("one")
    log = settings.log_dir / "one.log"

    wait_until("the line", lambda: log.exists() and bool(log.read_text()), within_s=10)

    assert log.read_text() == "a of all b of one\n"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_leaves_nothing_behind_when_it_ends(
    supervisor: Supervisor, settings: LocalSettings, how: signal.Signals
) -> None:
    supervisor.start([Process("one", SLEEPER)], {})
    supervisor.begin("one")
    child = psutil.Process(pid_of(supervisor, "one"))
    (pid, _) = (settings.run_dir / "supervisor.pid").read_text().split()

    os.kill(int(pid), how)

    child.wait(timeout=10)
    wait_until("its end", lambda: not supervisor.is_running(), within_s=10)


def test_does_not_take_a_stranger_with_its_pid_for_itself(
    supervisor: Supervisor, settings: LocalSettings
) -> None:
    settings.run_dir.mkdir(parents=True)
    (settings.run_dir / "supervisor.pid").write_text(f"{os.getpid()} 12345.0")

    assert not supervisor.is_running()


async def test_brings_the_topics_back_after_the_broker_was_killed(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    port, controller_port = free_ports(2)
    state = tmp_path / "broker.state"
    command = servers.broker_command(tmp_path / "kafka", port, controller_port, kafka_home=None)
    keeper = (sys.executable, "-m", "deploy.dev.broker", "--port", str(port), "--state", str(state), "--")
    address = f"{LOOPBACK}:{port}"
    supervisor.start([Process("broker", (*keeper, *command))], {"TRUNKLINE_KAFKA_BOOTSTRAP": address})
    supervisor.begin("broker")
    wait_until("topics", lambda: state.exists() and state.read_text() == "ready", within_s=20)
    (broker,) = psutil.Process(pid_of(supervisor, "broker")).children()

    broker.kill()
    wait_until("its end", lambda: not broker_answers(port), within_s=5)
    wait_until("topics", lambda: broker_answers(port) and state.read_text() == "ready", within_s=20)

    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    topics = await admin.list_topics()
    await admin.close()
    assert {"trunkline.queue", "trunkline.queue-dlq"} <= set(topics)
