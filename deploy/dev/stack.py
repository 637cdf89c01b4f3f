"""Starts and stops the local stack."""

import fcntl
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.dev import servers
from deploy.dev.broker import READY
from deploy.dev.plan import BROKER, MONGO, Process, common_environment, local_ports, platform
from deploy.dev.ports import holder_of, is_free
from deploy.dev.processes import LOOPBACK, ServerFailed, answers_http, is_there, wait_until
from deploy.dev.progress import Progress
from deploy.dev.settings import ROOT, LocalSettings
from deploy.dev.supervisor import Supervisor
from deploy.dev.welcome import welcome

READY_WITHIN_S = 90
REFILL_WITHIN_S = 600
SEED = "deploy.dev.seed"
# What a later command, perhaps with other settings, has to know about the stack that runs.
READY_URLS = "ready_urls.json"
WELCOME = "welcome.txt"


class CannotStart(Exception):
    """The stack cannot be started; the message says why and what can be done."""


def up(settings: LocalSettings, progress: Progress) -> None:
    """Start what does not run yet, in order, and say where to look."""
    with only_one(settings):
        supervisor, done = Supervisor(settings), settings.run_dir / WELCOME
        if supervisor.is_running():
            if done.exists():
                progress.say("Already running (`make status` shows it, `make down` stops it).")
                progress.say(done.read_text())
                return
            with progress.step("stopping what an interrupted start has left"):
                supervisor.stop()
        done.unlink(missing_ok=True)
        plan = processes(settings)
        check_ports(plan)
        env = common_environment(settings, secret(settings))
        try:
            with progress.step("supervisor"):
                supervisor.start(plan, env)
                urls = {each.name: each.ready_url for each in plan}
                (settings.run_dir / READY_URLS).write_text(json.dumps(urls))
            start_in_order(settings, supervisor, plan, {**os.environ, **env}, progress)
        except BaseException:
            with progress.step("stopping what was started"):
                supervisor.stop()
            raise
        done.write_text(welcome(settings))
        progress.say(f"Up in {progress.elapsed_s:.0f} s.")
        progress.say(welcome(settings))


def down(settings: LocalSettings, progress: Progress) -> None:
    """Stop what `up` started; the data stays."""
    with only_one(settings):
        supervisor = Supervisor(settings)
        if not supervisor.is_running():
            progress.say("Nothing runs.")
            return
        running = set(supervisor.pids())
        with progress.step("stopping services and gateway"):
            supervisor.halt(running - {MONGO, BROKER})
        with progress.step("stopping broker and MongoDB"):
            for server in (BROKER, MONGO):
                supervisor.halt(running & {server})
            supervisor.stop()


def processes(settings: LocalSettings) -> tuple[Process, ...]:
    """Return all processes of the stack in the order of their start."""
    return (*infrastructure(settings), *platform(*local_ports(settings)))


def infrastructure(settings: LocalSettings) -> Iterator[Process]:
    """Yield MongoDB and the broker, unless they are given by address."""
    if settings.starts_mongo:
        port = settings.local_mongo_port
        command = servers.mongod_command(settings.home / "mongo", port)
        yield Process(
            MONGO,
            tuple(command),
            ports={port: "TRUNKLINE_LOCAL_MONGO_PORT"},
            ready_url=f"mongodb://{LOOPBACK}:{port}",
        )
    if settings.starts_broker:
        port, data = settings.local_kafka_port, settings.home / "kafka"
        command = servers.broker_command(data, port, port + 1, settings.kafka_home)
        keeper = [sys.executable, "-m", "deploy.dev.broker", "--port", str(port)]
        keeper += ["--state", str(settings.run_dir / "broker.state")]
        keeper += [] if settings.broker_keeps_topics else ["--refill"]
        used = (port, port + 1) if settings.kafka_home else (port,)
        yield Process(
            BROKER,
            (*keeper, "--", *command),
            env=servers.broker_env(data),
            ports=dict.fromkeys(used, "TRUNKLINE_LOCAL_KAFKA_PORT"),
            ready_url=f"kafka://{LOOPBACK}:{port}",
        )


def start_in_order(
    settings: LocalSettings,
    supervisor: Supervisor,
    plan: tuple[Process, ...],
    env: Mapping[str, str],
    progress: Progress,
) -> None:
    names = {each.name for each in plan}
    if MONGO in names:
        with progress.step("MongoDB"):
            supervisor.begin(MONGO)
            servers.await_mongo(settings.local_mongo_port)
    if BROKER in names:
        with progress.step("broker, its topics and their content"):
            (settings.run_dir / "broker.state").unlink(missing_ok=True)
            supervisor.begin(BROKER)
            await_topics(settings, progress)
    else:
        with progress.step("topics"):
            run_module("libs.topics", env, settings.log_dir / "topics.log")
    ours = [each for each in plan if each.name not in (MONGO, BROKER)]
    with progress.step("services and gateway"):
        for each in ours:
            supervisor.begin(each.name)
        await_ready(ours, settings, progress)
    if is_there(SEED):
        with progress.step("demo tenant"):
            run_module(SEED, env, settings.log_dir / "seed.log")


def await_topics(settings: LocalSettings, progress: Progress) -> None:
    """Wait until the broker has its topics back; how long that takes depends on the archive."""

    def is_ready() -> bool:
        state = broker_state(settings)
        progress.detail(state)
        if state.startswith("failed"):
            raise ServerFailed(f"the broker {state}: see {settings.log_dir / 'broker.log'}")
        return state == READY

    wait_until("the broker with its topics", is_ready, within_s=REFILL_WITHIN_S)


def broker_state(settings: LocalSettings) -> str:
    """Return what the broker last said it was at."""
    file = settings.run_dir / "broker.state"
    return file.read_text() if file.exists() else ""


def read_ready_urls(settings: LocalSettings) -> dict[str, str]:
    """Return where each process of the running stack says that it is ready."""
    urls: dict[str, str] = json.loads((settings.run_dir / READY_URLS).read_text())
    return urls


def await_ready(ours: list[Process], settings: LocalSettings, progress: Progress) -> None:
    """Wait until every process says that it is ready, or name those that do not, and their logs."""
    waiting = {each.name: each for each in ours}

    def all_ready() -> bool:
        for name, each in list(waiting.items()):
            if answers_http(each.ready_url):
                del waiting[name]
        progress.detail("waiting for " + ", ".join(waiting))
        return not waiting

    try:
        wait_until("everything", all_ready, within_s=READY_WITHIN_S)
    except ServerFailed as failed:
        late = ", ".join(f"{name} ({settings.log_dir / name}.log)" for name in waiting)
        raise ServerFailed(f"not ready after {READY_WITHIN_S} s: {late}") from failed


def run_module(module: str, env: Mapping[str, str], log: Path) -> None:
    """Run a module of the platform to its end."""
    with log.open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-m", module],
            env=dict(env),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        tail = log.read_text(errors="replace")[-1500:]
        raise ServerFailed(f"{module} ended with {done.returncode}:\n{tail}")


def check_ports(plan: tuple[Process, ...]) -> None:
    taken = [
        f"  port {port} ({each.name}) is taken by {holder_of(port)}; {setting} moves it"
        for each in plan
        for port, setting in each.ports.items()
        if not is_free(port)
    ]
    if taken:
        raise CannotStart("The local stack needs ports that others have:\n" + "\n".join(taken))


def run(settings: LocalSettings, module: str, words: Sequence[str]) -> int:
    """Run a program of the platform as a process of the stack, and return its exit code."""
    env = {**common_environment(settings, secret(settings)), **os.environ}
    return subprocess.run([sys.executable, "-m", module, *words], env=env, check=False).returncode


def secret(settings: LocalSettings) -> str:
    """Return the key of calls between services, made once for this data directory."""
    file = settings.home / "service.secret"
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as new:
            new.write(secrets.token_urlsafe(32))
    return settings.service_secret or file.read_text()


@contextmanager
def only_one(settings: LocalSettings) -> Iterator[None]:
    """Let one `up` or `down` work at a time; the second waits for the first."""
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    with (settings.run_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
