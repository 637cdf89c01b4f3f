"""Reading logs and mappings."""

from pathlib import Path

import pytest
import yaml

from services.channels.call_log.domain import RAGGED, REPEATED, UNDECODABLE
from services.channels.call_log.domain import SERVED as SERVED_ANYWAY
from services.channels.call_log.log_file import parse, read, write_rejects
from services.channels.call_log.mapping import BANK, Unusable, load
from services.channels.call_log.tests.rows import GONE, LEFT_MENU, MAPPING, SERVED, as_lines


def test_it_accounts_for_every_row() -> None:
    lines = as_lines(
        SERVED,
        SERVED,
        GONE | {"no": "8"},
        LEFT_MENU | {"no": "9"},
        SERVED | {"no": "10", "what": "GONE"},
        SERVED | {"no": "11", "what": "TEST"},
    )

    log = parse([*lines, "\r\n", "one;two\r\n", lines[1].replace("ana", "an\ufffd")], MAPPING)

    assert log.rows == len(log.calls) + log.ignored.total() + len(log.rejects) == 8
    assert log.kinds == {"answered": 1, "abandoned": 1, "left_in_self_service": 1}
    assert log.ignored == {"TEST": 1}
    assert log.set_aside == {REPEATED: 1, SERVED_ANYWAY: 1, RAGGED: 1, UNDECODABLE: 1}
    assert [each.line for each in log.rejects] == [3, 6, 9, 10]


def test_it_loses_no_line_to_a_stray_quotation_mark() -> None:
    lines = as_lines(SERVED, SERVED | {"no": "8"})

    log = parse([lines[0], '"' + lines[1], lines[2]], MAPPING)

    assert [call.id for call in log.calls][-1] == "shop-8-04.05.2026"


def test_it_lists_what_it_set_aside(tmp_path: Path) -> None:
    log = parse(as_lines(SERVED | {"what": "LOST"}), MAPPING)

    write_rejects(tmp_path / "rejects.tsv", log)

    head, row = (tmp_path / "rejects.tsv").read_text().splitlines()
    assert head.startswith("line\treason\tno\tday")
    assert row.startswith("2\toutcome_unknown\t7\t04.05.2026")


def test_it_refuses_a_log_without_the_columns_named() -> None:
    with pytest.raises(Unusable, match="no column came"):
        parse([line.replace("came", "arrived") for line in as_lines(SERVED)], MAPPING)


@pytest.mark.parametrize("lines", [[], [""]])
def test_it_refuses_an_empty_log(lines: list[str]) -> None:
    with pytest.raises(Unusable):
        parse(lines, MAPPING)


def test_it_says_when_there_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"gone\.tsv"):
        read(tmp_path / "gone.tsv", MAPPING)


def test_it_ships_a_mapping_for_the_bank() -> None:
    mapping = load(BANK)

    assert (mapping.delimiter, mapping.zone.key) == ("\t", "Asia/Jerusalem")
    assert {"vru+line", "q_time", "customer_id"} <= {*mapping.needed}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"time_zone": "Middle/Earth"}, "time_zone: .*IANA"),
        ({"encoding": "klingon"}, "encoding: .*no encoding"),
        ({"delimiter": "::"}, "delimiter"),
        ({"outcomes": {"GONE": "left"}}, "no word means answered"),
        ({"colour": "red"}, "colour"),
        ({"name": "a b"}, "name"),
    ],
)
def test_it_refuses_a_mapping_that_cannot_be(change: dict[str, object], says: str, tmp_path: Path) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text(yaml.safe_dump(MAPPING.model_dump(mode="json") | change))

    with pytest.raises(Unusable, match=says):
        load(file)


def test_it_refuses_a_mapping_that_is_no_yaml(tmp_path: Path) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text("columns: [")

    with pytest.raises(Unusable, match="no YAML"):
        load(file)
