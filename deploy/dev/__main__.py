"""The local stack: python -m deploy.dev up | down | status | logs"""

import argparse
import os
import sys

from deploy.dev import stack
from deploy.dev.processes import ServerFailed
from deploy.dev.progress import Progress
from deploy.dev.settings import ROOT, LocalSettings
from deploy.dev.status import logs, status


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.dev", description="The local stack.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start everything, wait until it is ready")
    commands.add_parser("down", help="stop what up started")
    commands.add_parser("status", help="show what runs")
    shown = commands.add_parser("logs", help="show what the processes write")
    shown.add_argument("name", nargs="?", help="one process only")
    shown.add_argument("--follow", action="store_true")
    ran = commands.add_parser("run", help="run a program of the platform with the stack's settings")
    ran.add_argument("module")
    ran.add_argument("words", nargs=argparse.REMAINDER)
    asked = parser.parse_args()

    os.chdir(ROOT)
    settings, progress = LocalSettings(), Progress()
    try:
        match asked.command:
            case "up":
                stack.up(settings, progress)
            case "down":
                stack.down(settings, progress)
            case "status":
                return status(settings)
            case "logs":
                return logs(settings, asked.name, follow=asked.follow)
            case "run":
                return stack.run(settings, asked.module, asked.words)
    except (stack.CannotStart, ServerFailed) as failed:
        progress.say(f"\n{failed}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
