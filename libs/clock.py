"""The wall clock, read only where a process is wired together; everybody else is given `now`."""

from collections.abc import Callable
from datetime import UTC, datetime

Now = Callable[[], datetime]


def now() -> datetime:
    """Return the time in UTC, cut to the millisecond: what the store and the wire keep."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
