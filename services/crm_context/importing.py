"""Read customers from CSV: what each row says, or why it says nothing."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from libs.errors import Invalid, Violation
from libs.events.base import Identity, IdentityKind
from libs.identities import normal, phone

LARGEST_FILE = 4 * 1024 * 1024
LONGEST_CELL = 4096
LARGEST_ROWS = 50_000
MOST_COLUMNS = 500
HIGHEST_VIP = 10
KINDS = frozenset(get_args(IdentityKind))
PLAIN = ("name", "vip_level", "language", "tags")
WORDS = {
    "bad_phone": ("not a phone number", "不是有效的电话号码"),
    "bad_email": ("not an e-mail address", "不是有效的电子邮箱"),
    "bad_number": ("must be a whole number from 0 to 10", "必须是 0 到 10 的整数"),
    "bad_language": ("not a language code", "不是有效的语言代码"),
    "too_long": ("too long", "内容过长"),
    "formula": ("begins like a formula of a spreadsheet", "内容像电子表格公式"),
    "no_identity": ("names no phone, e-mail or other identity", "缺少电话、邮箱等身份标识"),
    "too_many_columns": ("has more cells than the header", "单元格多于表头"),
    "ambiguous": ("its identities belong to different customers", "身份标识属于不同的客户"),
    "bad_character": ("holds a control character", "含有控制字符"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """What one row says of a customer."""

    number: int
    identities: tuple[Identity, ...]
    name: str = ""
    vip_level: int | None = None
    language: str = ""
    tags: tuple[str, ...] = ()
    profile: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row was not taken; `reason` is one of WORDS."""

    row: int
    column: str
    reason: str


class _Wrong(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read(content: bytes, columns: Mapping[str, str]) -> tuple[list[Row], list[RowError]]:
    """
    Return the good rows, and what is wrong with the others.

    :raises Invalid: the file as a whole cannot be read.
    """
    if len(content) > LARGEST_FILE:
        raise Invalid(Violation("csv", f"must have {LARGEST_FILE} bytes at most", "too_large"))
    table = csv.reader(io.StringIO(_text(content), newline=""), strict=True)
    rows: list[Row] = []
    errors: list[RowError] = []
    try:
        header = [cell.strip() for cell in next(table, [])]
        fields = _fields(header, columns)
        for number, cells in enumerate(table, 2):
            if number > LARGEST_ROWS:
                raise Invalid(Violation("csv", f"must have {LARGEST_ROWS} rows at most", "too_large"))
            if not any(cell.strip() for cell in cells):
                continue
            row = _row(number, cells, header, fields)
            if isinstance(row, Row):
                rows.append(row)
            else:
                errors.append(row)
    except csv.Error as error:
        raise Invalid(Violation("csv", f"is broken near line {table.line_num}: {error}")) from None
    return rows, errors


def _text(content: bytes) -> str:
    """Return the text, which is UTF-8, or what Chinese spreadsheets write."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Invalid(Violation("csv", "is neither UTF-8 nor GB18030"))


def _fields(header: list[str], columns: Mapping[str, str]) -> dict[int, str]:
    """Return the field of each column that has one."""
    if not any(header):
        raise Invalid(Violation("csv", "has no header row"))
    if len(header) > MOST_COLUMNS:
        raise Invalid(Violation("csv", f"must have {MOST_COLUMNS} columns at most", "too_large"))
    if twice := [name for place, name in enumerate(header) if name and name in header[:place]]:
        raise Invalid(Violation("csv", f"has the column {twice[0]} twice"))
    if missing := [name for name in columns if name not in header]:
        raise Invalid(Violation(f"columns.{missing[0]}", "is no column of the file"))
    fields = {place: columns.get(name, "") if columns else name for place, name in enumerate(header) if name}
    known = {place: name for place, name in fields.items() if _is_field(name)}
    if wrong := [name for place, name in fields.items() if name and place not in known]:
        raise Invalid(Violation("columns", f"{wrong[0]} is no field of a customer"))
    if not any(name.startswith("identity.") for name in known.values()):
        raise Invalid(Violation("columns", "none of them is an identity"))
    return known


def _is_field(name: str) -> bool:
    kind, dot, rest = name.partition(".")
    return (
        name in PLAIN or (kind == "identity" and rest in KINDS) or (kind == "profile" and bool(dot and rest))
    )


def _row(number: int, cells: list[str], header: list[str], fields: Mapping[int, str]) -> Row | RowError:
    if len(cells) > len(header):
        return RowError(number, "", "too_many_columns")
    said: dict[str, object] = {}
    identities: list[Identity] = []
    profile: dict[str, str] = {}
    for place, name in fields.items():
        cell = cells[place].strip() if place < len(cells) else ""
        if not cell:
            continue
        try:
            if name.startswith("identity."):
                identities.append(_identity(name.partition(".")[2], cell))
            elif name.startswith("profile."):
                profile[name.partition(".")[2]] = _plain(cell, LONGEST_CELL)
            else:
                said[name] = _field(name, cell)
        except _Wrong as wrong:
            return RowError(number, header[place], wrong.reason)
    if not identities:
        return RowError(number, "", "no_identity")
    return Row(number, tuple(dict.fromkeys(identities)), profile=profile, **said)  # type: ignore[arg-type]  # by _field


def _identity(kind: str, cell: str) -> Identity:
    if len(cell) > 256:
        raise _Wrong("too_long")
    if not cell.isprintable():
        raise _Wrong("bad_character")
    if kind == "phone" and not phone(cell):
        raise _Wrong("bad_phone")
    if kind == "email" and not ("@" in cell.strip("@") and " " not in cell):
        raise _Wrong("bad_email")
    if kind not in ("phone", "email"):
        _plain(cell, 256)
    return normal(Identity.model_validate({"kind": kind, "value": cell}))


def _field(name: str, cell: str) -> object:
    match name:
        case "vip_level":
            if not (cell.isascii() and cell.isdigit() and len(cell) <= 2 and int(cell) <= HIGHEST_VIP):
                raise _Wrong("bad_number")
            return int(cell)
        case "language":
            if len(cell) > 16 or not all(char.isascii() and (char.isalnum() or char == "-") for char in cell):
                raise _Wrong("bad_language")
            return cell
        case "tags":
            tags = [
                tag.strip() for tag in cell.replace("；", ";").replace("，", ";").replace(",", ";").split(";")
            ]
            return tuple(dict.fromkeys(_plain(tag, 64) for tag in tags if tag))[:50]
    return _plain(cell, 256)


def _plain(cell: str, longest: int) -> str:
    """Return a text that no spreadsheet will take for a formula when it is exported one day."""
    if len(cell) > longest:
        raise _Wrong("too_long")
    if cell[0] in "=@" or (cell[0] in "+-" and not cell[1:].replace(".", "", 1).isdigit()):
        raise _Wrong("formula")
    if any(ord(char) < 32 and char not in "\n" for char in cell):
        raise _Wrong("bad_character")
    return cell


def merged_profile(profile: str, said: Mapping[str, str]) -> str:
    """Return the profile with what a row says."""
    return json.dumps({**json.loads(profile), **said}, ensure_ascii=False)
