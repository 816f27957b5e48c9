"""The entry point of the command line, which turns exceptions into exit codes and one line on stderr."""

from __future__ import annotations

import re
import sys
from typing import Any

import typer

from prunescope.cli.app import app
from prunescope.cli.plain import shown
from prunescope.errors import InputError

ADDRESS = r"auto|local|\w+://.*|[^=\s/]+:\d+"  # of a Ray cluster
_UsageError: Any = typer.BadParameter.__mro__[1]  # typer does not export it


def main(arguments: list[str] | None = None) -> Any:
    """Run a command line and exit: 0 done, 2 wrong usage or input, 130 interrupted with everything saved, 1 anything else."""
    arguments = ray_alone(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(arguments, prog_name="prunescope", standalone_mode=False)
        if code == 130:  # how an interrupt comes back
            _say("interrupted; run the same command to go on")
        sys.exit(code or 0)
    except InputError as error:
        _say(str(error))
        sys.exit(2)
    except _UsageError as error:
        message = error.format_message().rstrip(".")
        if field := re.match(r"No such option: --?(\w+\.\w+)", message):
            message = f"{message}: fields have no dashes, write {field[1]}=VALUE"
        if "\n" in message:  # no arguments: the message is the whole help
            print(message, file=sys.stderr)
        else:
            _say(f"{message}; see prunescope {_verb(error)}--help")
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        _say(f"{what}{error.strerror or error}; what was finished is kept: run the same command to go on")
        sys.exit(1)
    except RuntimeError as error:
        _say(str(error))
        sys.exit(1)


def ray_alone(arguments: list[str]) -> list[str]:
    """Return the arguments with ``--ray=local`` in place of ``--ray`` without an address.

    typer has no options whose value may be left out.
    """
    following = [*arguments, ""][1:]
    return [
        "--ray=local" if here == "--ray" and not re.fullmatch(ADDRESS, after) else here
        for here, after in zip(arguments, following, strict=True)
    ]


def _verb(error: Any) -> str:
    """Return the verb that was used wrongly, followed by a space."""
    path = error.ctx.command_path.split()[1:] if error.ctx else []
    return "".join(f"{part} " for part in path)


def _say(message: str) -> None:
    print(f"prunescope: {shown(' '.join(message.split()))}", file=sys.stderr)
