"""A flow as its author writes it: nodes by name, texts by language, every way on named."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator

from libs.events.base import Id, Scalar, Short
from libs.events.queue import Need, Word
from libs.hours import Calendar
from services.ivr.domain.expression import LONGEST

NodeId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Variable = Annotated[
    str, StringConstraints(max_length=128, pattern=r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$")
]
LanguageTag = Annotated[str, StringConstraints(min_length=2, max_length=16, pattern=r"^[A-Za-z0-9-]+$")]
Saying = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
Texts = dict[LanguageTag, Saying]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]
Alias = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
EVERY_ENTRY_POINT = "*"

_OTHER_WORDS = {"say": "prompt", "lookup": "look_up", "hours": "business_hours", "transfer": "queue"} | {
    "jump": "goto"
}


def _as_key(value: object) -> object:
    """Return a choice's key as text, though YAML and JSON may have read a number."""
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return value


Key = Annotated[str, BeforeValidator(_as_key), StringConstraints(pattern=r"^[A-Za-z0-9*#]{1,8}$")]


class _Piece(BaseModel):
    """A part of a flow; a word that means nothing is an error, since it is mostly a misspelt one."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Prompt(_Piece):
    """Says something and goes on."""

    kind: Literal["prompt"]
    say: Texts
    media_url: Short = ""
    next: NodeId


class Choice(_Piece):
    """One thing to choose: by key on a phone, by button, or by one of its words."""

    key: Key
    labels: Texts
    aliases: tuple[Alias, ...] = ()
    language: LanguageTag | Literal[""] = ""  # the dialogue goes on in this language
    next: NodeId


class _Asking(_Piece):
    """Asks, and waits: again after silence or what it does not understand, `retries` times."""

    say: Texts
    sorry: Texts = {}  # before asking again; empty: the flow's own
    media_url: Short = ""
    retries: Annotated[int, Field(ge=0, le=5)] = 2
    timeout_s: Seconds | None = None
    on_timeout: NodeId | None = None
    on_invalid: NodeId | None = None


class Menu(_Asking):
    """Lets the customer choose."""

    kind: Literal["menu"]
    choices: Annotated[tuple[Choice, ...], Field(min_length=1, max_length=20)]
    save_as: Variable | Literal[""] = ""  # takes the key chosen


class Collect(_Asking):
    """Takes a number or a text from the customer."""

    kind: Literal["collect"]
    save_as: Variable
    charset: Literal["digits", "letters", "alphanumeric", "text"] = "text"
    min_length: Annotated[int, Field(ge=1, le=1000)] = 1
    max_length: Annotated[int, Field(ge=1, le=1000)] = 200
    sensitive: bool = False  # masked wherever it is shown, forgotten when the dialogue is over
    next: NodeId


class Case(_Piece):
    when: Expression
    next: NodeId


class Condition(_Piece):
    """Goes the way of the first case that holds."""

    kind: Literal["condition"]
    cases: Annotated[tuple[Case, ...], Field(min_length=1, max_length=50)]
    otherwise: NodeId


class Set(_Piece):
    """Sets variables; {{ names }} in texts are filled in."""

    kind: Literal["set"]
    values: Annotated[dict[Variable, Scalar], Field(min_length=1, max_length=50)]
    next: NodeId


class LookUp(_Piece):
    """Asks another service; what it answers is found under `save_as`."""

    kind: Literal["look_up"]
    what: Literal["customer", "tickets"]
    save_as: Variable
    timeout_s: Annotated[float, Field(ge=0.1, le=10)] = 1.5
    found: NodeId
    missing: NodeId
    failed: NodeId


class BusinessHours(_Piece):
    kind: Literal["business_hours"]
    calendar: NodeId
    open: NodeId
    closed: NodeId
    holiday: NodeId | None = None  # none: as closed


class SpeakLanguage(_Piece):
    """Goes on in another language, where the flow speaks it."""

    kind: Literal["language"]
    language: Short  # may hold {{ a variable }}
    next: NodeId


class Ticket(_Piece):
    """Opens a ticket; its number is under `save_as` at once."""

    kind: Literal["ticket"]
    ticket_type: Id
    priority: Literal["low", "normal", "high", "urgent"] = "normal"
    subject: Texts
    description: Texts = {}
    save_as: Variable
    next: NodeId


class Queue(_Piece):
    """
    Hands the customer over to people.

    `attributes` names the variables that strategies may ask about as `contact.<word>`. The customer should
    be answered within `deadline_s`.
    """

    kind: Literal["queue"]
    queue_id: Id
    pool_id: Id = "main"
    needs: Annotated[tuple[Need, ...], Field(max_length=16)] = ()
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    reason: Short = ""
    say: Texts = {}
    attributes: Annotated[dict[Word, Variable], Field(max_length=50)] = {}
    deadline_s: Annotated[float, Field(gt=0, le=30 * 86_400)] | None = None


class Callback(_Piece):
    """
    Asks that the customer be called back when it is his turn in a queue, as if he waited there from now on.

    `number` names the variable that has his number; without one it is what his channel knows of him.
    """

    kind: Literal["callback"]
    queue_id: Id
    pool_id: Id = "main"
    number: Variable | Literal[""] = ""
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    reason: Short = ""
    next: NodeId


class End(_Piece):
    """The customer's need is met."""

    kind: Literal["end"]
    reason: Short = ""
    say: Texts = {}


class Goto(_Piece):
    kind: Literal["goto"]
    next: NodeId


Node = Annotated[
    Prompt
    | Menu
    | Collect
    | Condition
    | Set
    | LookUp
    | BusinessHours
    | SpeakLanguage
    | Ticket
    | Queue
    | Callback
    | End
    | Goto,
    Field(discriminator="kind"),
]
Asking = Menu | Collect


class Anywhere(_Piece):
    """Words that work wherever the flow waits, such as "human"."""

    aliases: Annotated[tuple[Alias, ...], Field(min_length=1, max_length=50)]
    next: NodeId


class Flow(_Piece):
    """A whole flow. The first of its languages is spoken to those whose own it does not speak."""

    flow_id: Id
    name: Texts = {}
    entry_points: tuple[Annotated[str, StringConstraints(max_length=128)], ...] = ()
    languages: Annotated[tuple[LanguageTag, ...], Field(min_length=1, max_length=16)]
    start: NodeId
    on_error: NodeId | None = None  # where to go when the flow cannot go on: a queue or an end
    sorry: Texts = {}
    silence: Texts = {}
    anywhere: Annotated[tuple[Anywhere, ...], Field(max_length=20)] = ()
    variables: dict[Variable, Scalar] = {}
    calendars: Annotated[dict[NodeId, Calendar], Field(max_length=20)] = {}
    nodes: Annotated[dict[NodeId, Node], Field(min_length=1, max_length=500)]

    @field_validator("nodes", mode="before")
    @classmethod
    def _in_our_words(cls, nodes: Any) -> Any:
        if not isinstance(nodes, dict):
            return nodes
        return {name: _in_our_words(node) for name, node in nodes.items()}


def _in_our_words(node: Any) -> Any:
    if isinstance(node, dict) and isinstance(node.get("kind"), str):
        return {**node, "kind": _OTHER_WORDS.get(node["kind"], node["kind"])}
    return node


def ways_out(node: Node) -> list[tuple[str, str]]:
    """Return the branches of a node with where they lead, in order of writing."""
    match node:
        case Menu():
            ways = [(f"choices.{place}.next", each.next) for place, each in enumerate(node.choices)]
            return ways + _after_asking(node)
        case Collect():
            return [("next", node.next), *_after_asking(node)]
        case Condition():
            ways = [(f"cases.{place}.next", each.next) for place, each in enumerate(node.cases)]
            return [*ways, ("otherwise", node.otherwise)]
        case LookUp():
            return [("found", node.found), ("missing", node.missing), ("failed", node.failed)]
        case BusinessHours():
            ways = [("open", node.open), ("closed", node.closed)]
            return [*ways, ("holiday", node.holiday)] if node.holiday else ways
        case Queue() | End():
            return []
        case _:
            return [("next", node.next)]


def _after_asking(node: Asking) -> list[tuple[str, str]]:
    ways = (("on_timeout", node.on_timeout), ("on_invalid", node.on_invalid))
    return [(name, target) for name, target in ways if target]
