"""The entry point of the command line, which turns exceptions into exit codes and one line on stderr."""

from __future__ import annotations

import re
import sys
from typing import Any

import typer
import typer.main

from prunescope.cli.app import app
from prunescope.cli.plain_output import shown
from prunescope.errors import CORRECTABLE, FULL, InputError, described
from prunescope.streams import discard

ADDRESS = r"auto|local|\w+://.*|[^=\s/]+:\d+"  # of a Ray cluster
LONGEST = 1500  # characters of a message
_UsageError: Any = typer.BadParameter.__mro__[1]  # typer does not export it


def run_command_line(arguments: list[str]) -> int:
    """Do what a command line says and return the exit code; raise KeyboardInterrupt where a signal stops it.

    The code is 0 when done, 2 for wrong usage or input, which includes places that cannot be read or written and full
    disks, and 1 for anything else. A signal's code is that of ``cli.main``.
    """
    try:
        code = _invoked(ray_alone(arguments))
        sys.stdout.flush()
        return code
    except InputError as error:
        _say(str(error))
        return 2
    except _UsageError as error:
        message = error.format_message().rstrip(".")
        if field := re.match(r"No such option: --?(\w+\.\w+)", message):
            message = f"{message}: fields have no dashes, write {field[1]}=VALUE"
        if "\n" in message:  # no arguments: the message is the whole help
            print(message, file=sys.stderr)
        else:
            _say(f"{message}; see prunescope {_verb(error)}--help")
        return 2
    except BrokenPipeError:
        discard(sys.stdout)
        return 1
    except OSError as error:
        if error.filename == "stdout":
            discard(sys.stdout)
        _say(f"{described(error)}; what was finished is kept: {_remedy(error)}run the same command to go on")
        return 2 if error.filename is not None and error.errno in CORRECTABLE else 1
    except MemoryError as error:
        _say(
            f"there is not enough memory: {str(error) or 'close other programs, or make the experiment smaller'}"
        )
        return 1
    except RuntimeError as error:
        _say(str(error))
        return 1


def _invoked(arguments: list[str]) -> int:
    """Call the verb that the arguments name and return its exit code.

    This is what typer does, but for errors and signals, some of which it answers itself.
    """
    command = typer.main.get_command(app)
    try:
        with command.make_context("prunescope", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as end:
        return int(end.exit_code)
    return 0


def _remedy(error: OSError) -> str:
    if error.errno in FULL:
        return "free some space and "
    return "choose another place or " if error.errno in CORRECTABLE else ""


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
    line = " ".join(message.split())
    if len(line) > LONGEST:  # A value of thousands of characters hides what is said of it.
        line = f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"
    print(f"prunescope: {shown(line)}", file=sys.stderr)
