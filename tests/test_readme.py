"""The README is true: its first Python block prints what stands below it, its verbs and files exist."""

import re
import subprocess
import sys

from typer.main import get_command

from kinetix.app.cli import app
from tests.exact import ROOT

README = (ROOT / "README.md").read_text()


def test_the_first_block_prints_what_stands_below_it():
    """Mutant seen to fail: one printed digit changed."""
    code, printed = re.findall(r"```(?:python)?\n(.*?)```", README, re.DOTALL)[:2]
    assert len(code.strip().splitlines()) == 8
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout == printed


def test_every_command_and_option_exists():
    """Mutant seen to fail: `--prior` misspelt."""
    commands = get_command(app).commands
    lines = re.findall(r"^\$ kinetix (\w+)(.*)$", README, re.MULTILINE)
    assert {verb for verb, _ in lines} >= {"inspect", "check", "solve", "convert", "train", "infer", "compare"}
    for verb, rest in lines:
        known = {option for p in commands[verb].params for option in p.opts}
        settings = {"--paths", "--ssa.paths"}
        assert set(re.findall(r"(--[a-z.-]+)", rest.split("#")[0])) <= known | settings, verb


def test_every_path_exists():
    for path in re.findall(r"(?:examples|tests)/[\w/.]+\w", README):
        assert (ROOT / path).exists(), path
