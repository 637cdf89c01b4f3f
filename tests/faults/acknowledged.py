"""The clients' own log: every acknowledgement, refusal and frame they got, appended as it came."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from deploy.dev.demo.door import Json, Witness


@dataclass(slots=True)
class Answers:
    """What the clients were answered: statuses, and what was wrong with some."""

    statuses: Counter[int] = field(default_factory=Counter)
    without_retry_after: list[str] = field(default_factory=list)
    server_errors: list[str] = field(default_factory=list)
    unanswered: int = 0


class AcknowledgementLog(Witness):
    """Writes to a file what the clients are told, and keeps what the checker needs of it."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("a", encoding="utf-8")
        self.answers = Answers()
        self.event_ids: dict[str, str] = {}  # acknowledged: their type, or the command they came from
        self.contacts: set[str] = set()  # whose start was acknowledged
        self.frames: dict[str, list[int]] = {}  # numbers by stream, in the order of their coming
        self.frame_texts: list[tuple[str, str]] = []  # stream, frame: where a canary would show
        self.tickets: set[str] = set()
        self.closed_with: Counter[int] = Counter()
        self.acknowledged_at: list[float] = []  # time.monotonic of each

    def close(self) -> None:
        self._file.close()

    def answered(self, method: str, path: str, answer: httpx.Response) -> None:
        status = answer.status_code
        self.answers.statuses[status] += 1
        if status >= 500:
            line = f"{method} {path} {status} {answer.text[:200]}"
            self.answers.server_errors.append(line)
        if status in (429, 503, 504) and "retry-after" not in answer.headers:
            self.answers.without_retry_after.append(f"{method} {path} {status}")
        if method == "POST" and path == "/v1/tickets" and status < 300:
            self.tickets.add(str(answer.json()["ticket_id"]))
        self._note("answer", method=method, path=path, status=status)

    def unanswered(self, method: str, path: str, error: httpx.TransportError) -> None:
        self.answers.unanswered += 1
        self._note("no answer", method=method, path=path, error=type(error).__name__)

    def published(self, events: Sequence[Json]) -> None:
        for event in events:
            self._acknowledge(str(event["id"]), str(event["type"]))
            if event["type"] == "trunkline.interaction.started.v1":
                self.contacts.add(str(event["data"]["interaction_id"]))

    def framed(self, stream: str, frame: Json) -> None:
        self.frames.setdefault(stream, []).append(int(frame["seq"]))
        self.frame_texts.append((stream, json.dumps(frame, ensure_ascii=False)))
        self._note("frame", stream=stream, seq=frame["seq"], type=frame["type"])

    def commanded(self, stream: str, command: Json, answer: Json) -> None:
        if answer.get("type") == "ack":
            if event_id := answer.get("event_id"):
                self._acknowledge(str(event_id), f"{command['type']} over {stream}")
            if command["type"] == "start":
                self.contacts.add(stream.partition("interaction_id=")[2].partition(" ")[0])
            return
        status = int(answer.get("problem", {}).get("status", 0))
        if status >= 500 and status != 503:
            self.answers.server_errors.append(f"{command['type']} over {stream}: {answer}"[:300])
        self._note("refused", stream=stream, command=command["type"], code=answer.get("code"))

    def closed(self, stream: str, code: int) -> None:
        self.closed_with[code] += 1
        self._note("closed", stream=stream, code=code)

    def _acknowledge(self, event_id: str, what: str) -> None:
        self.event_ids[event_id] = what
        self.acknowledged_at.append(time.monotonic())
        self._note("acknowledged", event_id=event_id, of=what)

    def _note(self, what: str, **fields: object) -> None:
        line = {"at": round(time.time(), 3), "what": what, **fields}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()
