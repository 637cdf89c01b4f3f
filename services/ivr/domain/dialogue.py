"""One customer's way through one flow: all that is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from libs.events.base import Identity, Scalar
from services.ivr.domain.flow import Flow

Status = Literal["expected", "waiting", "looking_up", "completed"]
Outcome = Literal["", "self_served", "queue", "abandoned", "failed"]
MOST_EARLY = 16
LONGEST_SAID = 2000
LONGEST_TRAIL = 50
MASK = "****"


@dataclass(frozen=True, slots=True)
class Said:
    """What the customer said, pressed or chose."""

    kind: Literal["text", "key", "choice", "speech"]
    value: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A look-up whose answer is awaited; `ask_id` tells its answer from an older one's."""

    ask_id: str
    what: Literal["customer", "tickets"]
    timeout_s: float
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One node gone through."""

    node_id: str
    kind: str
    entered_at: datetime
    prompt: str = ""
    input: str = ""
    branch: str = ""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """
    A dialogue, from what came early to what came of it.

    Before it has started (`expected`) it only keeps what came early. Afterwards it stands at `node_id`,
    `waiting` for the customer or `looking_up`, until `deadline` at the latest; `completed` is for good.
    """

    interaction_id: str
    session_id: str = ""
    journey_id: str = ""
    customer_id: str = ""
    identities: tuple[Identity, ...] = ()
    channel: str = "chat"
    language: str = ""
    flow_id: str = ""
    flow_version: int = 0
    status: Status = "expected"
    node_id: str = ""
    deadline: datetime | None = None
    asked: Asked | None = None
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    collected: tuple[str, ...] = ()  # variables that the customer or the flow has set
    sensitive: tuple[str, ...] = ()
    invalid: int = 0  # tries at this node that were not understood
    silent: int = 0  # and that were met with silence
    early: tuple[Said, ...] = ()
    has_ended: bool = False
    steps: int = 0  # nodes entered so far
    prompts: int = 0
    trail: tuple[Step, ...] = ()
    outcome: Outcome = ""
    reason: str = ""
    queue_id: str = ""
    started_at: datetime | None = None
    updated_at: datetime | None = None

    def shown(self) -> dict[str, Scalar]:
        """Return the variables, the sensitive ones masked."""
        return {name: MASK if name in self.sensitive else value for name, value in self.variables.items()}


class Pin(NamedTuple):
    """The version of a flow that a dialogue follows from its beginning to its end."""

    tenant: str
    flow_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Flows:
    """
    The flows at hand. `bound` says what new dialogues follow, by tenant and entry point.

    None stands for a version that does not exist any more.
    """

    versions: Mapping[Pin, Flow | None] = field(default_factory=dict)
    bound: Mapping[tuple[str, str], Pin] = field(default_factory=dict)


class FlowNotAtHand(Exception):
    """A decision needs a flow that has not been fetched; nothing was decided."""

    def __init__(self, pin: Pin) -> None:
        super().__init__(f"{pin.flow_id} version {pin.version}")
        self.pin = pin
