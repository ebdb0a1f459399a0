"""The command line: every way to end is one line on stderr, one exit code, and with --json one object on stdout."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from kinetix.app import cli
from kinetix.app.cli_options import converted, near_miss, pairs, times_of
from kinetix.app.outcome import Outcome
from kinetix.errors import LockedError, ModelError, RunError, SettingError

Run = Callable[..., tuple[int, str, str]]


def refused(result: tuple[int, str, str], *words: str, code: int = 2) -> None:
    """One line on stderr that holds the words, nothing on stdout, the exit code."""
    found, out, err = result
    assert found == code, err
    assert out == ""
    assert err.startswith("kinetix: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert "unexpected" not in err
    for word in words:
        assert word in err, err


VERBS = ["inspect", "check", "convert", "solve", "train", "infer", "compare", "report", "solvers", "doctor"]

# the front ------------------------------------------------------------------------------------------


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    """0.3 s of CPU and no numpy. Mutant: `import numpy` at the head of app/cli.py."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    program = (
        "import sys; from kinetix.app.cli import main; code = main(['--help']); "
        "print(sorted(m for m in ('numpy', 'sympy', 'torch', 'rich', 'scipy') if m in sys.modules)); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.rstrip().endswith("[]")
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(run: Run, verb: str) -> None:
    code, out, err = run(verb, "--help")
    assert (code, err) == (0, "")
    assert "--json" in out


def test_the_bare_command_shows_the_help_and_version(run: Run) -> None:
    assert run()[1] == run("--help")[1]
    assert run("--version")[1].startswith("kinetix 0.")


def test_misspelt_verbs_and_missing_arguments_are_usage_errors(run: Run) -> None:
    refused(run("solv"), "solv")
    refused(run("solve"), "MODEL", "--help")
    refused(run("check"), "MODEL")


# how a command ends -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "code", "words"),
    [
        (ModelError("why", file="a.xml", place="law 1", mend="do so"), 2, "a.xml: law 1: why; do so"),
        (RunError("why", place="here"), 1, "here: why"),
        (LockedError("in use", file="run"), 5, "run: in use"),
        (OSError(28, "No space left on device", "out.csv"), 4, "out.csv: No space left on device"),
        (KeyboardInterrupt(), 130, "stopped"),
        (cli.Terminated("stopped by SIGTERM"), 143, "stopped by SIGTERM"),
        (MemoryError("3 GiB"), 1, "out of memory: 3 GiB"),
        (ZeroDivisionError("x\ny"), 1, "unexpected ZeroDivisionError: x y"),
    ],
)
def test_every_end_has_its_line_code_and_json(
    run: Run, monkeypatch: pytest.MonkeyPatch, problem: BaseException, code: int, words: str
) -> None:
    """Mutant: `exit_code` of RunError left at 2; OSError under 1."""

    def fail() -> None:
        raise problem

    monkeypatch.setattr("kinetix.app.doctor.examine", fail)
    found, out, err = run("doctor")
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert words in err
    found, out, err = run("doctor", "--json")
    data = json.loads(out)
    assert (found, data["exit_code"], data["ok"]) == (code, code, False)
    assert words in data["error"]["message"]


def test_a_warning_is_one_line_without_source(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: Python's own printing, which shows a line of the source below the warning."""

    def warned(_: list[str]) -> Outcome:
        warnings.warn("the time lies\noutside", UserWarning, stacklevel=1)
        return Outcome()

    monkeypatch.setattr(cli, "_run", warned)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run("doctor") == (0, "", "kinetix: warning: the time lies outside\n")


@pytest.mark.parametrize("arguments", [["--json"], ["solve", "--json"], ["nonsense", "--json"], ["doctor", "--jsn"]])
def test_json_is_one_object_however_it_ends(run: Run, arguments: list[str]) -> None:
    _, out, _ = run(*arguments, *(["--json"] if "--json" not in arguments else []))
    assert isinstance(json.loads(out), dict)


def test_numbers_that_json_cannot_hold_become_null() -> None:
    assert json.loads(Outcome(data={"a": [float("nan"), 1.5]}).to_json())["a"] == [None, 1.5]


# options ------------------------------------------------------------------------------------------------


def test_times_are_a_range_with_both_ends_or_a_list() -> None:
    assert times_of("0:1:5") == [0, 0.25, 0.5, 0.75, 1]
    assert times_of("1, 10") == [1, 10]
    assert times_of("1,inf") == [1, float("inf")]
    assert times_of("0:0.3:4")[-1] == 0.3


@pytest.mark.parametrize("text", ["", "a", "1:2", "1:2:x", "0:5:1", "5:0:3", "2,1", "1,1", "-1,2", "nan", "0:inf:3"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        times_of(text)
    assert caught.value.place == "option --times"


def test_pairs_are_names_and_numbers() -> None:
    assert pairs(["kon=0.2", " a = 1e3"], "--set") == {"kon": 0.2, "a": 1000.0}
    for bad in ("kon", "=1", "kon=x", "kon=inf"):
        with pytest.raises(SettingError):
            pairs([bad], "--set")
    with pytest.raises(SettingError, match="twice"):
        pairs(["a=1", "a=2"], "--set")


def test_texts_become_the_types_of_settings() -> None:
    assert converted("12", int, "paths") == 12
    assert converted("1e4", int, "paths") == 10_000
    assert converted("none", int | None, "threads") is None
    assert converted("X=3,Y=4", dict[str, int], "caps") == {"X": 3, "Y": 4}
    for text, hint in (("1.5", int), ("x", float), ("maybe", bool)):
        with pytest.raises(SettingError, match="option --a-b"):
            converted(text, hint, "a_b")


def test_the_nearest_option_is_named() -> None:
    assert near_miss("pahts", ["paths", "max_events"]) == "did you mean --paths?"
    assert "--max-events" in near_miss("zzz", ["paths", "max_events"])


# files that are not there -------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["inspect"], ["check"], ["solve", "--times", "1"], ["compare", "--times", "1"]])
def test_a_missing_model_is_named(run: Run, arguments: list[str]) -> None:
    refused(run(arguments[0], "absent.xml", *arguments[1:]), "absent.xml", "no such", "check the path")


def test_solvers_lists_when_to_use_each(run: Run) -> None:
    _, out, _ = run("solvers", "--json")
    entries = {e["name"]: e for e in json.loads(out)["solvers"]}
    assert {"ssa", "fsp"} <= set(entries)
    assert all(e["when"] and e["when_not"] and e["promise"] and e["settings"] for e in entries.values())


def test_doctor_finds_this_installation_well(run: Run) -> None:
    code, out, _ = run("doctor")
    assert code == 0, out
    assert "birth-death by fsp" in out


def test_sigterm_ends_with_143(tmp_path: Path) -> None:
    """Mutant: no handler: the process dies of the signal, with -15."""
    program = (
        "import os, signal, sys; import kinetix.app.doctor as d; from kinetix.app.cli import main\n"
        "d.examine = lambda: os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.exit(main(['doctor']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 143
    assert done.stderr == "kinetix: stopped by SIGTERM\n"


def test_the_mean_field_on_the_command_line(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """An sd that is not stated is an empty cell, null, or nothing. Mutant: the text `nan`."""
    model, table = tmp_path / "m.ant", tmp_path / "run.csv"
    model.write_text("species X = 4; d: X -> ; k*X; k = 1.0\n")
    code, out, err = run("solve", model, "--times", "0,1", "--solver", "mean-field", "--output", table)
    assert (code, err) == (0, "")
    assert "mean (no sd is stated) at t = 1" in out
    assert "nan" not in out
    rows = table.read_text().splitlines()
    assert rows[0] == "time,X-mean,X-sd"
    assert rows[1] == "0.0,4.0,"
    code, out, _ = run("solve", model, "--times", "1", "--solver", "mean-field", "--json", "--rtol", "1e-6")
    data = json.loads(out)
    assert (data["sd"], data["meta"]["settings"]["rtol"]) == ([[None]], 1e-6)
    code, _, err = run("solve", model, "--times", "1", "--solver", "mean-field", "--rtoll", "1")
    assert (code, err) == (2, "kinetix: mean-field: unknown option --rtoll; did you mean --rtol?\n")
    assert "means only, exact where every law is of first order" in run("solvers")[1]
