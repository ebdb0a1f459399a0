"""Files on which well-known simulators answer with wrong numbers and no word: writes examples/docs/silently_wrong.md.

    KINETIX_PEERS=path/to/python python -m tests.benchmarks.silently_wrong [--paths 10000]

The Python of KINETIX_PEERS (or --peers) has the simulators: libroadrunner, copasi-basico, bngsim, gillespy2 (with
scons and a C++ compiler), bioscrape. The kinetix rows need none of them; tests/test_silently_wrong.py makes them again.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import kinetix as kx
from tests.benchmarks.silently_wrong_cases import CASES, DATA, ROOT, Case, kinetix_answer, moments, suite

PAGE = ROOT / "examples" / "docs" / "silently_wrong.md"

Z_LIMIT, Y_LIMIT = 4.5, 6.0
PEERS = {
    "roadrunner": "libRoadRunner",
    "copasi": "COPASI",
    "bngsim": "BNGsim",
    "gillespy2": "GillesPy2",
    "bioscrape": "bioscrape",
}
PASSING = (  # what a file need not declare (units, a size), links in annotations, the report not asked for
    r"default \w+ unit|default extent unit|LIBSBML WARNING 80501|MIRIAM|No output file|^$"
)
HEAD = """# Silently wrong

Five files, and what simulators that many people use make of them. Each is asked as its documentation says: its own SBML
reader, its exact stochastic method, default settings, {paths:,} trajectories, amounts rather than concentrations.
The truth is a closed form or the test suite's own table, found without kinetix; the kinetix rows are laws by finite
state projection with their proven error in total variation. *z* is the distance of the mean in standard errors; *y* the
same for the standard deviation, `sqrt(n/2)*(s^2/sd^2 - 1)`. A row is right where |z| <= {z} and |y| <= {y:g}.
*Refuses* means that it stops with an error.

These are good programs, and none is wrong everywhere: libRoadRunner, COPASI and BNGsim get nearly the whole suite
right (last table). Some say in their manuals what they leave out, and libRoadRunner has a setting `nonnegative`, off by
default, against the last trap. GillesPy2 is asked for `algorithm="SSA"`: its plain `run()` integrates an imported file
as differential equations. bioscrape prints one general warning for every file with a compartment; it counts as a
message. What the page shows is what happens when nobody looks: the number comes, and no word with it.

Versions: {versions}; kinetix {kinetix}.
Written by `tests/benchmarks/silently_wrong.py`.
"""


@dataclass(frozen=True)
class Reply:
    """What one simulator made of one file: an answer, or the reason why there is none; and what it printed."""

    answer: dict | None
    said: tuple[str, ...]
    missing: str = ""


@dataclass(frozen=True)
class Asked:
    """The peers' Python, how many trajectories, and how many seconds one file may take."""

    python: Path
    paths: int
    limit: float

    def versions(self) -> dict[str, str]:
        """Name and version of every simulator there."""
        runner = Path(__file__).with_name("peers.py")
        run = subprocess.run([self.python, runner, "--versions"], capture_output=True, text=True, check=True)
        return json.loads(run.stdout)

    def reply(self, name: str, case: Case, paths: int | None = None) -> Reply:
        """Run one simulator on one file in a folder of its own."""
        runner = Path(__file__).with_name("peers.py")
        command = [self.python, runner, name, ROOT / case.file, str(case.time), str(paths or self.paths)]
        print(name, case.file, file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as home:
            where = {**os.environ, "HOME": home}
            try:
                run = subprocess.run(
                    command, capture_output=True, text=True, check=False, timeout=self.limit, cwd=home, env=where
                )
            except subprocess.TimeoutExpired as late:
                said = [*lines(late.stdout), *lines(late.stderr)]
                return Reply(None, worth_reading(said), f"no answer in {self.limit:g} s")
        printed = lines(run.stdout)
        if run.returncode == 0:
            return Reply(json.loads(printed[-1]), worth_reading([*printed[:-1], *lines(run.stderr)]))
        return Reply(None, worth_reading([*printed, *lines(run.stderr)]), "refuses")


def lines(output: str | bytes | None) -> list[str]:
    text = output.decode(errors="replace") if isinstance(output, bytes) else output or ""
    return [re.sub(r"\x1b\[\d*m", "", line).strip() for line in text.splitlines()]


def worth_reading(said: Iterable[str]) -> tuple[str, ...]:
    """The lines that are about this file; of a traceback only the last error."""
    said = list(said)
    if "Traceback (most recent call last):" in said:
        errors = [k for k, line in enumerate(said) if re.match(r"[\w.]+(Error|Exception)\b", line)]
        said = [*said[: said.index("Traceback (most recent call last):")], *said[errors[-1] if errors else -1 :]]
    plain = (re.sub(r">\w+ \d{4}-[\dT:-]+<", "", line).strip() for line in said)
    kept = (re.sub(r"(/[\w.+-]+){3,}/", "", line) for line in plain if not re.search(PASSING, line))
    return tuple(dict.fromkeys(kept))


# judgement -------------------------------------------------------------------------------------


def distances(mean: float, sd: float, truth: tuple[float, float], n: int) -> tuple[float, float]:
    """z of the mean and y of the sd; infinite where what must not move is elsewhere or moves."""
    mu, sigma = truth
    if sigma == 0:
        return (0.0 if mean == mu else math.inf), (0.0 if sd == 0 else math.inf)
    return (mean - mu) / sigma * math.sqrt(n), math.sqrt(n / 2) * (sd**2 / sigma**2 - 1)


def verdict(reply: Reply, truth: dict, species: Iterable[str]) -> str:
    if reply.answer is None:
        return reply.missing
    for name in species:
        if name not in reply.answer["mean"]:
            return "gives no " + name
        z, y = distances(reply.answer["mean"][name], reply.answer["sd"][name], truth[name], reply.answer["n"])
        if not (abs(z) <= Z_LIMIT and abs(y) <= Y_LIMIT):
            return "**wrong**, with a message" if reply.said else "**wrong, silently**"
    return "right"


def bound(error: float) -> str:
    """The next power of ten above an error."""
    return f"error < 1e{math.ceil(math.log10(error))}" if error > 0 else "exact"


# the page --------------------------------------------------------------------------------------


def rows(case: Case, replies: dict[str, Reply], truth: dict) -> Iterable[str]:
    """One line for each simulator and species."""
    for name, reply in replies.items():
        if reply.answer is None:
            yield f"| {PEERS[name]} | | | | | | {reply.missing} |"
            continue
        label = f"{PEERS[name]} {reply.answer['version']}"
        for species, moments_ in truth.items():
            mean, sd = (reply.answer[what].get(species, math.nan) for what in ("mean", "sd"))
            z, y = (f"{v:.1f}".replace("inf", "∞") for v in distances(mean, sd, moments_, reply.answer["n"]))
            yield f"| {label} | {species} | {mean:.8g} | {sd:.5g} | {z} | {y} | {verdict(reply, truth, [species])} |"


def section(number: int, case: Case, asked: Asked) -> str:
    truth, here = case.truth(case), kinetix_answer(case)
    replies = {name: asked.reply(name, case) for name in PEERS}
    out = [f"## {number}. {case.title}\n", f"File `{case.file}`, t = {case.time:g}.\n", f"{case.trap}\n"]
    out += ["| | species | mean | sd | z | y | |", "|---|---|---|---|---|---|---|"]
    out += [f"| exact | {s} | {m:.7g} | {sd:.7g} | | | {case.source} |" for s, (m, sd) in truth.items()]
    mended = " of the mended file" if case.mend else ""
    for species, (mean, sd) in here.moments.items():
        out.append(f"| **kinetix**, FSP{mended} | {species} | {mean:.8f} | {sd:.8f} | | | {bound(here.error)} |")
    out += [*rows(case, replies, truth), "", f"kinetix says{' of the file as written' if case.mend else ''}:\n"]
    out.append("\n".join(f"- `{text}`" for text in here.findings) or "- nothing that needs a hand: the file is plain")
    if here.refusal:
        out.append(f"- and, asked to solve it, refuses: `{here.refusal}`")
    heard = [f"- {PEERS[name]}: `{' '.join(reply.said)[:330]}`" for name, reply in replies.items() if reply.said]
    out += ["\nMessages of the others:\n", *(heard or ["- none"])]
    return "\n".join(out) + "\n"


def suite_table(asked: Asked, paths: int, time: float) -> str:
    """All public cases of the suite at one time: a word for each simulator."""
    files = sorted((ROOT / DATA / "dsmts").glob("*/*.xml"))
    cases = [Case("", str(file.relative_to(ROOT)), time, suite, "", "") for file in files]
    out = [
        f"## The public cases of the suite\n\nAll species at t = {time:g}, {paths:,} trajectories; kinetix by FSP.\n"
    ]
    out += [f"| case | kinetix | {' | '.join(PEERS.values())} |", "|---" * (len(PEERS) + 2) + "|"]
    for case in cases:
        truth = suite(case)
        words = [verdict(asked.reply(name, case, paths), truth, truth) for name in PEERS]
        out.append(f"| {Path(case.file).parent.name} | {ours(case, truth)} | {' | '.join(words)} |")
    return "\n".join(out) + "\n"


def ours(case: Case, truth: dict) -> str:
    """Right to the digits of the suite's table, or the refusal."""
    try:
        here, _ = moments(kx.load(ROOT / case.file), case)
    except kx.KinetixError:
        return "refuses"
    near = [
        math.isclose(a, b, rel_tol=1e-6, abs_tol=2e-5) for s in truth for a, b in zip(here[s], truth[s], strict=True)
    ]
    return "right" if all(near) else "**wrong, silently**"


def page(cases: Iterable[Case], asked: Asked) -> str:
    """The whole page."""
    versions = ", ".join(f"{PEERS[name]} {number}" for name, number in asked.versions().items())
    head = HEAD.format(paths=asked.paths, z=Z_LIMIT, y=Y_LIMIT, versions=versions, kinetix=kx.__version__)
    parts = [section(k, case, asked) for k, case in enumerate(cases, 1)]
    return "\n".join([head, *parts, suite_table(asked, 2_000, 30.0)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", default=os.environ.get("KINETIX_PEERS"), help="the Python that has the simulators")
    parser.add_argument("--paths", type=int, default=10_000)
    parser.add_argument("--limit", type=float, default=120, help="seconds for one simulator and file")
    chosen = parser.parse_args()
    if not chosen.peers:
        parser.error("say --peers PYTHON, or set KINETIX_PEERS")
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(CASES, Asked(Path(chosen.peers).absolute(), chosen.paths, chosen.limit)))


if __name__ == "__main__":
    main()
