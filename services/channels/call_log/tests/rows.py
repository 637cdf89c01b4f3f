"""A mapping and rows of a small log of our own, for tests."""

from services.channels.call_log.mapping import Mapping

MAPPING = Mapping.model_validate(
    {
        "name": "shop",
        "tenant": "acme",
        "delimiter": ";",
        "time_zone": "Europe/Paris",
        "date_format": "%d.%m.%Y",
        "time_format": "%H:%M:%S",
        "no_time": ["-"],
        "no_agent": ["nobody"],
        "columns": {
            "call": ["no", "day"],
            "self_service": {"start": "came", "end": "menu_left", "seconds": "menu_s"},
            "wait": {"start": "queued", "end": "queue_left", "seconds": "wait_s"},
            "service": {"start": "talk_from", "end": "talk_to", "seconds": "talk_s"},
            "outcome": "what",
            "agent": "who",
            "queue": "line",
            "priority": "prio",
            "date": "day",
        },
        "outcomes": {"SERVED": "answered", "GONE": "left", "TEST": "ignored"},
        "queues": {"S": "sales"},
        "other_queue": "rest",
        "context": {"line": "line"},
        "identity": {"column": "card", "kind": "card", "no_value": ["0"]},
    }
)

SERVED = {
    "no": "7", "day": "04.05.2026", "came": "10:00:00", "menu_left": "10:00:08", "menu_s": "8",
    "queued": "10:00:08", "queue_left": "10:00:38", "wait_s": "30", "what": "SERVED",
    "talk_from": "10:00:37", "talk_to": "10:02:37", "talk_s": "120", "who": "ana", "line": "S",
    "prio": "2", "card": "4711",
}  # fmt: skip
AT_ONCE = SERVED | {
    "queued": "-",
    "queue_left": "-",
    "wait_s": "0",
    "talk_from": "10:00:08",
    "talk_to": "10:02:08",
}
GONE = SERVED | {"what": "GONE", "talk_from": "-", "talk_to": "-", "talk_s": "0", "who": "nobody"}
LEFT_MENU = GONE | {"queued": "-", "queue_left": "-", "wait_s": "0"}


def as_lines(*rows: dict[str, str]) -> list[str]:
    """Return the lines of a log with these rows."""
    return [";".join(cells) + "\r\n" for cells in ([*SERVED], *([*row.values()] for row in rows))]
