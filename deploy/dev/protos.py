"""Write the Python stubs of the gRPC contracts, or check that they and the contracts are in order."""

import argparse
import filecmp
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
PUBLISHED = PROTO / "published.binpb"
PREFIX = "libs/rpc/"
MARKER = '"""Generated from proto/ by `python -m deploy.dev.protos`."""\n'


class Failed(Exception):
    """A tool found something wrong; what it is, it has printed itself."""


def run(*command: str | Path, folder: Path = ROOT) -> None:
    # The plugins of protoc lie beside the interpreter, which need not be on the path.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, check=False)
    if done.returncode:
        raise Failed(f"{Path(command[0]).name} {command[1]} found something wrong")


def generate(target: Path) -> None:
    """
    Write the package `libs.rpc` under `target`.

    Contracts import each other by their path under proto/, as foreign readers expect; Python needs them by
    their path as modules. So the files are renamed in the compiled form, between parser and generator.
    """
    with tempfile.TemporaryDirectory() as scratch:
        image, renamed = Path(scratch) / "image.binpb", Path(scratch) / "renamed.binpb"
        run("buf", "build", "--as-file-descriptor-set", "-o", image, folder=PROTO)
        files = FileDescriptorSet.FromString(image.read_bytes())
        names = {each.name: PREFIX + each.name for each in files.file if not each.name.startswith("google/")}
        for each in files.file:
            each.name = names.get(each.name, each.name)
            each.dependency[:] = [names.get(name, name) for name in each.dependency]
        renamed.write_bytes(files.SerializeToString())
        outputs = [f"--{plugin}_out={target}" for plugin in ("python", "mypy", "grpc_python")]
        outputs.append(f"--mypy_grpc_out=only_async:{target}")
        quiet = "--mypy_opt=quiet", "--mypy_grpc_opt=quiet"
        source = f"--descriptor_set_in={renamed}"
        run(sys.executable, "-m", "grpc_tools.protoc", source, *outputs, *quiet, *sorted(names.values()))
    package = target / PREFIX
    for folder in (package, *(each for each in package.rglob("*") if each.is_dir())):
        (folder / "__init__.py").write_text(MARKER)


def generated(package: Path) -> set[Path]:
    return {each.relative_to(package) for each in package.rglob("*.py*") if "__pycache__" not in each.parts}


def stale(fresh: Path, committed: Path) -> list[str]:
    """Return which committed files differ from what the contracts give today."""
    return sorted(
        str(name)
        for name in generated(fresh) | generated(committed)
        if not (fresh / name).exists()
        or not (committed / name).exists()
        or not filecmp.cmp(fresh / name, committed / name, shallow=False)
    )


def write() -> None:
    for name in generated(ROOT / PREFIX):
        (ROOT / PREFIX / name).unlink()
    generate(ROOT)


def check() -> None:
    """Raise if a contract is badly written, breaks its published form, or is newer than its stubs."""
    run("buf", "format", "--diff", "--exit-code", folder=PROTO)
    run("buf", "lint", folder=PROTO)
    run("buf", "breaking", "--against", PUBLISHED, folder=PROTO)
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        old = stale(Path(scratch) / PREFIX, ROOT / PREFIX)
    if old:
        raise Failed(f"stubs are not those of the contracts, run `make proto`: {', '.join(old)}")


def publish() -> None:
    """Make the contracts of today the form that later ones must not break."""
    run("buf", "build", "--exclude-source-info", "-o", PUBLISHED, folder=PROTO)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.dev.protos", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on what is not in order")
    parser.add_argument("--publish", action="store_true", help="also freeze the contracts as published")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            check()
            return 0
        write()
        if options.publish:
            publish()
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
