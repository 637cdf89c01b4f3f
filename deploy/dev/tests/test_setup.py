"""Set-up installs what the lock file says, once, and says what it cannot do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.dev.settings import ROOT

# Stands in for uv: notes what it is asked, and makes an environment that is the one running the tests.
FAKE_UV = f"""#!/bin/sh
echo "$1 $2" >> asked
[ -e broken ] && [ "$1" = venv ] && exit 1
if [ "$1" = venv ]; then
  mkdir -p .venv/bin
  printf '#!/bin/sh\\nexec {sys.executable} "$@"\\n' > .venv/bin/python
  chmod +x .venv/bin/python
fi
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a checkout that holds no more than set-up needs."""
    shutil.copytree(
        ROOT / "deploy" / "dev",
        tmp_path / "deploy" / "dev",
        ignore=shutil.ignore_patterns("tests", "__pycache__"),
    )
    (tmp_path / "deploy" / "__init__.py").touch()
    (tmp_path / "requirements-dev.lock").write_text("one==1\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "uv").write_text(FAKE_UV)
    (tmp_path / "bin" / "uv").chmod(0o755)
    return tmp_path


def set_up(clone: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(clone / "bin"), os.environ["PATH"]))
    return subprocess.run(
        [sys.executable, "-m", "deploy.dev.setup"],
        cwd=clone,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def asked(clone: Path) -> list[str]:
    return (clone / "asked").read_text().splitlines()


def test_installs_once_what_the_lock_says(clone: Path) -> None:
    first, second = set_up(clone), set_up(clone)

    assert (first.returncode, second.returncode) == (0, 0)
    assert asked(clone) == ["--version ", "venv --quiet", "pip sync"]
    assert second.stdout == ""


def test_installs_again_when_the_lock_has_changed(clone: Path) -> None:
    set_up(clone)
    (clone / "requirements-dev.lock").write_text("one==2\n")

    set_up(clone)

    assert asked(clone)[3:] == ["--version ", "pip sync"]


def test_says_which_command_failed_and_tries_again_next_time(clone: Path) -> None:
    (clone / "broken").touch()

    failed = set_up(clone)
    (clone / "broken").unlink()
    repaired = set_up(clone)

    assert failed.returncode == 1
    assert "This failed:" in failed.stdout
    assert " venv --quiet" in failed.stdout
    assert repaired.returncode == 0
