"""What the platform refuses, in words that all doors share: gRPC statuses inside, HTTP problems outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong with one field of a request."""

    field: str  # its path, such as customer.identities.0.value
    text: str
    reason: str = "invalid"


class Refusal(Exception):
    """
    An expected answer other than the one asked for; nothing has changed.

    `reason` is a code for programs, `text` is for people who write programs, `facts` are what the text names.
    None of them holds personal data, because refusals are logged.
    """

    status: ClassVar[str] = "UNKNOWN"  # the gRPC status code that stands for it

    def __init__(
        self,
        reason: str,
        text: str,
        facts: Mapping[str, str] | None = None,
        *,
        violations: Sequence[Violation] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.facts: Mapping[str, str] = dict(facts or {})
        self.violations = tuple(violations)
        self.retry_after_s = retry_after_s

    @classmethod
    def received(
        cls,
        reason: str,
        text: str,
        facts: Mapping[str, str],
        violations: Sequence[Violation],
        retry_after_s: float | None,
    ) -> Self:
        """Return the refusal that another process has made, whatever this class is made from."""
        refusal = cls.__new__(cls)
        Refusal.__init__(refusal, reason, text, facts, violations=violations, retry_after_s=retry_after_s)
        return refusal


class NotFound(Refusal):
    """The tenant has nothing of that name."""

    status = "NOT_FOUND"

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"{what}_not_found", f"there is no {what} {name}", {"what": what, "name": name})


class AlreadyExists(Refusal):
    """The name, or what must be unique, is taken."""

    status = "ALREADY_EXISTS"


class Conflict(Refusal):
    """Somebody else changed it in the meantime: read it again, then decide again."""

    status = "ABORTED"

    def __init__(self, expected_version: int, version: int) -> None:
        super().__init__(
            "version_conflict",
            f"version {expected_version} was expected, but it is at version {version}",
            {"expected_version": str(expected_version), "version": str(version)},
        )


class Refused(Refusal):
    """The present state does not allow it: a closed ticket is not closed again."""

    status = "FAILED_PRECONDITION"


class Invalid(Refusal):
    """The request itself is wrong and will be so tomorrow."""

    status = "INVALID_ARGUMENT"

    def __init__(self, *violations: Violation) -> None:
        text = "; ".join(f"{each.field}: {each.text}" for each in violations)
        super().__init__("invalid_request", text, violations=violations)


class OutOfRange(Refusal):
    """The part asked for lies beyond the end."""

    status = "OUT_OF_RANGE"


class Corrupt(Refusal):
    """The content is not what its checksum says."""

    status = "DATA_LOSS"


class Unauthenticated(Refusal):
    """Nobody knows who asks."""

    status = "UNAUTHENTICATED"


class Forbidden(Refusal):
    """It is known who asks, and that is why not."""

    status = "PERMISSION_DENIED"


class Exhausted(Refusal):
    """Too much, too large or too often."""

    status = "RESOURCE_EXHAUSTED"


class TimedOut(Refusal):
    """No answer came in time; the change asked for may or may not have happened."""

    status = "DEADLINE_EXCEEDED"


class Unavailable(Refusal):
    """It cannot be answered now; trying again is right."""

    status = "UNAVAILABLE"


class Unsupported(Refusal):
    """The service does not know this call: it is older than its caller."""

    status = "UNIMPLEMENTED"


class Failed(Refusal):
    """The other side has a fault of its own, which is in its log."""

    status = "INTERNAL"


REFUSALS: Mapping[str, type[Refusal]] = {each.status: each for each in Refusal.__subclasses__()}
