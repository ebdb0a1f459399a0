"""The command line: every way to end is one line and one exit code, never a traceback.

Nothing heavy is loaded before a command runs: `kinetix --help` does without numpy.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from kinetix import __version__
from kinetix.errors import KinetixError

from . import cli_calibrate, cli_infer, cli_many, cli_models, cli_pretrain, cli_report, cli_solve, cli_train
from .cli_options import SettingsCommand
from .outcome import BAD_INPUT, FAILED, OK, SYSTEM, Outcome

DEBUG = "KINETIX_DEBUG"
"""Set this variable to 1 to see tracebacks."""

EPILOG = "Exit codes: 0 ok, 1 failed, 2 bad input, 3 a quality gate failed, 4 system failure, 5 locked."

app = typer.Typer(
    name="kinetix",
    help="From an SBML file and a table of cells to rates you can trust.",
    epilog=EPILOG,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("inspect")(cli_models.inspect)
app.command("check")(cli_models.check)
app.command("convert")(cli_models.convert)
app.command("solve", cls=SettingsCommand)(cli_solve.solve)
app.command("train", cls=SettingsCommand)(cli_train.train)
app.command("pretrain")(cli_pretrain.pretrain)
app.command("infer", cls=SettingsCommand)(cli_infer.infer)
app.command("infer-many", cls=SettingsCommand)(cli_many.infer_many)
app.command("calibrate", cls=SettingsCommand)(cli_calibrate.calibrate)
app.command("compare", cls=SettingsCommand)(cli_solve.compare)
app.command("report")(cli_report.report)
app.command("solvers")(cli_models.solvers)
app.command("doctor")(cli_models.doctor)


@app.callback(invoke_without_command=True)
def _front(
    ctx: typer.Context,
    *,
    version: bool = typer.Option(False, "--version", help="Print the version."),
    as_json: bool = typer.Option(False, "--json", hidden=True),  # noqa: ARG001 - `main` reads it
) -> None:
    if version:
        typer.echo(f"kinetix {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
        raise typer.Exit


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived."""

    exit_code = 143


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; messages go to stderr, results to stdout."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments
    printed = io.StringIO()
    with _sigterm(), _warnings(), contextlib.redirect_stdout(printed) if as_json else contextlib.nullcontext():
        outcome = _run(arguments)
    try:
        _say(outcome, printed.getvalue(), as_json=as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return outcome.exit_code


def _run(arguments: list[str]) -> Outcome:
    try:
        command = typer.main.get_command(app)
        with command.make_context("kinetix", list(arguments), obj=arguments) as context:
            result = command.invoke(context)  # not `app()`: it would turn every signal into one Abort
    except (Exception, KeyboardInterrupt) as problem:  # noqa: BLE001 - the last resort: one line, one code
        if os.environ.get(DEBUG, "") not in ("", "0"):
            traceback.print_exc()
        return _failed(problem)
    if isinstance(result, Outcome):
        return result
    return Outcome(exit_code=result if isinstance(result, int) else OK)


def _failed(problem: BaseException) -> Outcome:
    """The outcome of an exception: what happened, in one line, under its own exit code."""
    if isinstance(problem, typer.Exit):
        return Outcome(exit_code=problem.exit_code)
    parts: dict[str, Any] = {"kind": type(problem).__name__}
    if isinstance(problem, KinetixError):
        code, line = problem.exit_code, str(problem)
        parts |= {"file": problem.file, "place": problem.place, "reason": problem.reason, "mend": problem.mend}
        parts["excerpt"] = problem.excerpt
    elif hasattr(problem, "format_message"):  # a usage error of the command line
        command = getattr(getattr(problem, "ctx", None), "command_path", "kinetix")
        code, line = BAD_INPUT, f"{problem.format_message().strip().rstrip('.')}; see `{command} --help`"
    elif isinstance(problem, typer.Abort | KeyboardInterrupt):
        code, line = int(getattr(problem, "exit_code", 130)), str(problem) or "stopped"
    elif isinstance(problem, OSError):
        code, line = SYSTEM, f"{problem.filename or 'a file'}: {problem.strerror or problem}"
    elif isinstance(problem, MemoryError):
        code, line = FAILED, f"out of memory: {problem}; make the question smaller"
    else:
        code = FAILED
        line = f"unexpected {type(problem).__name__}: {problem}; run again with {DEBUG}=1 and report the traceback"
    line = " ".join(line.split())
    return Outcome(data={"error": {"message": line, **parts}}, exit_code=code)


def _say(outcome: Outcome, printed: str, *, as_json: bool) -> None:
    error = outcome.data.get("error")
    if error:
        sys.stderr.write(f"kinetix: {error['message']}\n")
        if error.get("excerpt") and sys.stderr.isatty():  # a picture of the place, for people
            sys.stderr.write(f"{error['excerpt']}\n")
    if as_json:
        data = {"text": printed, **outcome.data} if printed else outcome.data
        sys.stdout.write(Outcome(data=data, exit_code=outcome.exit_code).to_json() + "\n")
    elif outcome.text:
        sys.stdout.write(outcome.text.rstrip("\n") + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _warnings() -> Iterator[None]:
    """Say a warning in one line, without the place in the source that it came from."""

    def say(message: Warning | str, *_: Any, **__: Any) -> None:
        sys.stderr.write(f"kinetix: warning: {' '.join(str(message).split())}\n")

    with warnings.catch_warnings():
        warnings.showwarning = say
        yield


@contextlib.contextmanager
def _sigterm() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise Terminated("stopped by SIGTERM")

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread: somebody else minds the signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
