"""The contracts and their stubs: what is noticed when they part."""

from pathlib import Path

import pytest

from deploy.dev import protos


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("stubs")
    protos.generate(target)
    return target / protos.PREFIX


def test_finds_the_committed_stubs_to_be_those_of_the_contracts(fresh: Path) -> None:
    assert protos.stale(fresh, protos.ROOT / protos.PREFIX) == []


def test_names_stubs_that_were_changed_forgotten_or_left_over(fresh: Path, tmp_path: Path) -> None:
    for name in protos.generated(fresh):
        copy = tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((fresh / name).read_bytes())
    (tmp_path / "session/v1/session_pb2.py").write_text("changed")
    (tmp_path / "ivr/v1/ivr_pb2.py").unlink()
    (tmp_path / "gone_pb2.py").write_text("left over")

    names = protos.stale(fresh, tmp_path)

    assert names == ["gone_pb2.py", "ivr/v1/ivr_pb2.py", "session/v1/session_pb2.py"]


def test_refuses_a_contract_that_breaks_its_published_form(tmp_path: Path) -> None:
    contract = Path("session/v1/session.proto")
    for name in (
        "buf.yaml",
        *(str(each.relative_to(protos.PROTO)) for each in protos.PROTO.rglob("*.proto")),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((protos.PROTO / name).read_text())
    against = ("buf", "breaking", "--against", protos.PUBLISHED)
    protos.run(*against, folder=tmp_path)

    text = (tmp_path / contract).read_text()
    (tmp_path / contract).write_text(text.replace("string journey_id = 2;", "int64 journey_id = 2;", 1))

    with pytest.raises(protos.Failed):
        protos.run(*against, folder=tmp_path)
