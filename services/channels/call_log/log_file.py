"""Read a call log: the calls in it, what was ignored, and what was set aside, by reason."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from services.channels.call_log.domain import RAGGED, REPEATED, UNDECODABLE, Call, SetAside, call_of
from services.channels.call_log.mapping import Mapping, Unusable


@dataclass(frozen=True, slots=True)
class Reject:
    """A line of the file that is not replayed."""

    line: int
    reason: str
    fields: tuple[str, ...]


@dataclass(slots=True)
class CallLog:
    """All of a log: rows = calls + ignored + rejects."""

    rows: int = 0
    calls: list[Call] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)  # by the outcome's word
    rejects: list[Reject] = field(default_factory=list)
    header: tuple[str, ...] = ()

    @property
    def set_aside(self) -> Counter[str]:
        return Counter(reject.reason for reject in self.rejects)

    @property
    def notes(self) -> Counter[str]:
        return Counter(note for call in self.calls for note in call.notes)

    @property
    def kinds(self) -> Counter[str]:
        return Counter(call.kind for call in self.calls)


def read(path: Path, mapping: Mapping) -> CallLog:
    """Return the log of a file. :raises Unusable: it is not there, or lacks a column the mapping names."""
    try:
        with path.open(encoding=mapping.encoding, errors="replace", newline="") as file:
            return parse(file, mapping)
    except OSError as error:
        raise Unusable(f"{path.name}: {error.strerror}") from None


def parse(lines: Iterable[str], mapping: Mapping) -> CallLog:
    """Return the log of the lines of a file, the first of which names the columns."""
    rows = _rows(lines, mapping.delimiter)
    header = next(rows, None)
    if header is None:
        raise Unusable("the log is empty")
    header = tuple(name.strip() for name in header)
    missing = [name for name in mapping.needed if name not in header]
    if missing:
        raise Unusable(f"the log has no column {', '.join(missing)}")
    log = CallLog(header=header)
    seen: set[str] = set()
    for line, fields in enumerate(rows, 2):
        if fields in ((), ("",)):
            continue
        log.rows += 1
        try:
            if len(fields) != len(header):
                raise SetAside(RAGGED)
            if any("\ufffd" in field for field in fields):
                raise SetAside(UNDECODABLE)
            row = dict(zip(header, fields, strict=True))
            call = call_of(row, mapping)
            if call is None:
                log.ignored[row[mapping.columns.outcome]] += 1
            elif call.id in seen:
                raise SetAside(REPEATED)
            else:
                seen.add(call.id)
                log.calls.append(call)
        except SetAside as problem:
            log.rejects.append(Reject(line, problem.reason, fields))
    return log


def _rows(lines: Iterable[str], delimiter: str) -> Iterator[tuple[str, ...]]:
    """Yield the fields of each line; line by line, so that a stray quotation mark spoils one line only."""
    for line in lines:
        try:
            fields = next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
        except csv.Error:  # a field beyond all measure
            fields = [line]
        yield tuple(field.strip() for field in fields)


def write_rejects(path: Path, log: CallLog) -> None:
    """List what was set aside: the line of the log, why, and the row as it stood there."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["line", "reason", *log.header])
        writer.writerows([each.line, each.reason, *each.fields] for each in log.rejects)
