"""Every fault by its name: what is done, how often, and what is expected beyond the rules."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from libs import clock
from tests.faults import adapters, crowds, injuries, races, records, takeover
from tests.faults.crashing import STEPS
from tests.faults.injuries import Injure, cut


def _right(dice: random.Random) -> clock.Now:
    return clock.now


@dataclass(frozen=True, slots=True)
class Scenario:
    """One fault under load."""

    name: str
    says: str
    injure: Injure
    no_server_errors: bool = False  # not even a 503
    now: Callable[[random.Random], clock.Now] = _right  # the clock of the adapters


def everything(stopped_s: float = 30.0) -> dict[str, Scenario]:
    """Return all scenarios by name; `stopped_s` is how long a server is stopped."""
    listed = (*_processes(), *_servers(stopped_s), *_network(), *_records_and_clients())
    return {each.name: each for each in listed}


def _processes() -> tuple[Scenario, ...]:
    return (
        Scenario("calm", "no fault: a good day", injuries.nothing, no_server_errors=True),
        *(
            Scenario(f"kill_{step}", f"kill -9 of every process when it has {step}", injuries.kill_at(step))
            for step in STEPS
        ),
        Scenario("kill_each", "kill -9 of every process at whatever it does", injuries.kill_each),
        Scenario("kill_both", "kill -9 of all replicas of each service at once", injuries.kill_both),
        Scenario("takeover", "kill -9 of one replica of each service, timed", takeover.takeover),
        Scenario(
            "rolling_restart",
            "SIGTERM of every process in turn",
            injuries.rolling_restart,
            no_server_errors=True,
        ),
        Scenario(
            "rolling_halves",
            "SIGTERM of one replica of everything at once, then the other",
            injuries.rolling_halves,
            no_server_errors=True,
        ),
        Scenario("two_owners", "each routing stopped past its session, and resumed", injuries.two_owners),
        Scenario(
            "service_clocks",
            "clocks of all processes wrong: one replica ahead, the other jumping",
            injuries.wrong_clocks,
        ),
        Scenario("slow_consumer", "analytics and recording in fits and starts", injuries.slow_consumer),
    )


def _servers(stopped_s: float) -> tuple[Scenario, ...]:
    return (
        Scenario("broker_stopped", "SIGSTOP of the broker, then SIGCONT", injuries.stop_broker(stopped_s)),
        Scenario("mongo_stopped", "SIGSTOP of mongod, then SIGCONT", injuries.stop_mongo(stopped_s)),
        Scenario("mongo_killed", "kill -9 of mongod and start, twice", injuries.kill_mongo),
        Scenario("disk_full", "disk of the object store full for 6 s", injuries.disk_full),
        Scenario("step_down", "step-down of the primary, twice", injuries.step_down),
    )


def _network() -> tuple[Scenario, ...]:
    return (
        Scenario(
            "cut_routing_database",
            "routing cut from the database: both ways, each way",
            cut("database", "routing", ("both", "to_server", "from_server")),
        ),
        Scenario(
            "cut_routing_broker",
            "routing cut from the broker: both ways, each way",
            cut("broker", "routing", ("both", "to_server", "from_server"), cut_s=7.0),
        ),
        Scenario(
            "cut_all_broker",
            "everybody cut from the broker: both ways, to it only",
            cut("broker", "", ("both", "to_server")),
        ),
        Scenario("severed", "all connections to broker and database ended, thrice", injuries.sever),
        Scenario("slow_network", "50 ms more for every packet to broker and database", injuries.slow_network),
    )


def _records_and_clients() -> tuple[Scenario, ...]:
    return (
        Scenario("duplicates", "a tenth of all events again, a topic again, shuffled", records.duplicates),
        Scenario("poison", "records that are no events", records.poison),
        Scenario("rebalance", "a third member comes and leaves every 2 s", records.restless_member),
        Scenario(
            "wrong_clock",
            "adapters' clocks ahead, behind, jumping",
            crowds.wrong_clocks,
            now=crowds.wrong_clock,
        ),
        Scenario("late", "adapters tell late, twice and out of order", adapters.late),
        Scenario("foreign", "an adapter ends the contacts of another tenant", adapters.foreign),
        Scenario("races", "hang-up at the answer, sign-out at the offer, double click", races.races),
        Scenario("surge", "far more events than are taken, for 10 s", crowds.surge),
        Scenario(
            "slow_sockets",
            "half-open connections, sockets never read",
            crowds.slow_sockets,
            no_server_errors=True,
        ),
    )
