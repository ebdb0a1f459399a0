"""Fuzzing of every reader: `python -m tests.importers.fuzz 10000 --seed 1`.

Each input is read in a worker process with limits on time and memory. What is not a network, a table
or one KinetixError in one line that names the file is reported, with the input kept in a folder; so
is what takes more than 2 s or 300 MB. Exit code 1 if there was any.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.exact import ROOT
from tests.importers.fuzz_inputs import make

SECONDS, MEGABYTES = 2.0, 300
BATCH = 250
"""Inputs for one worker; its memory is that of all of them."""


@dataclass(frozen=True)
class Outcome:
    """What became of one input: "read", "refused", or what was wrong about it."""

    index: int
    ending: str
    verdict: str
    seconds: float

    @property
    def fine(self) -> bool:
        return self.verdict in {"read", "refused"}


def run(count: int, seed: int, *, first: int = 0, keep: Path | None = None) -> Iterator[Outcome]:
    """The outcomes of inputs first ... first + count - 1."""
    with tempfile.TemporaryDirectory() as folder:
        at = first
        while at < first + count:
            upto = min(at + BATCH, first + count)
            for outcome in _batch(at, upto, seed, Path(folder)):
                if not outcome.fine and keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{seed}-{outcome.index}{outcome.ending}").write_bytes(make(seed, outcome.index)[1])
                yield outcome
                at = outcome.index + 1


def _batch(at: int, upto: int, seed: int, folder: Path) -> Iterator[Outcome]:
    """One worker's outcomes; one that dies is the verdict on the input it was at."""
    files = {}
    for index in range(at, upto):
        ending, data = make(seed, index)
        files[index] = folder / f"{index}{ending}"
        files[index].write_bytes(data)
    command = [sys.executable, "-m", "tests.importers.fuzz", "--worker", *(str(f) for f in files.values())]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    answers, complaint = worker.communicate()
    done = at
    for line in answers.splitlines():
        verdict, seconds = json.loads(line)
        yield Outcome(done, files[done].suffix, verdict, seconds)
        done += 1
    for file in files.values():
        file.unlink()
    if done < upto:
        last = (complaint.strip().splitlines() or [""])[-1]
        yield Outcome(done, files[done].suffix, f"the process ended ({worker.returncode}): {last}", 0.0)


# in the worker ---------------------------------------------------------------------------------------


def work(files: list[str]) -> None:
    """Read each file, one line of JSON for each."""
    import resource

    import kinetix as kx

    kx.load(ROOT / "examples" / "models" / "telegraph.xml").check()  # what the libraries need, once
    kx.load(ROOT / "examples" / "models" / "telegraph.ant")
    resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    for file in files:
        before = used()
        resource.setrlimit(resource.RLIMIT_CPU, (int(before) + 11, resource.RLIM_INFINITY))
        verdict = read(Path(file))
        seconds = used() - before
        if verdict in {"read", "refused"}:
            verdict = f"slow: {verdict} in {seconds:.1f} s" if seconds > SECONDS else verdict
            verdict = f"large: {verdict} with {peak()} MB" if peak() > MEGABYTES else verdict
        print(json.dumps([verdict, seconds]), flush=True)


def peak() -> int:
    """The largest memory of this process so far, in MB."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


def read(path: Path) -> str:
    """Read and check one file, or read one table: "read", "refused", or what is wrong."""
    import kinetix as kx

    try:
        if path.suffix == ".csv":
            kx.Observations.read_csv(path)
        else:
            network = kx.load(path)
            network.check()
            _ = network.fingerprint, str(network)
    except kx.KinetixError as problem:
        line = str(problem)
        return (
            "refused"
            if line.startswith(f"{path}: ") and "\n" not in line and len(line) < 2000
            else f"names no file: {line}"
        )
    except BaseException as problem:  # noqa: BLE001 - anything else is what is looked for
        where = problem.__traceback__
        while (
            where is not None
            and where.tb_next is not None
            and "site-packages" not in where.tb_next.tb_frame.f_code.co_filename
        ):
            where = where.tb_next
        place = f"{Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno}" if where is not None else "?"
        return f"{type(problem).__name__} at {place}: {problem}"[:300]
    return "read"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("out") / "fuzz")
    parser.add_argument("--worker", nargs="+", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker)
        return 0
    tally: Counter[str] = Counter()
    bad = 0
    for outcome in run(options.count, options.seed, first=options.first, keep=options.keep):
        tally[f"{outcome.ending} {outcome.verdict if outcome.fine else 'WRONG'}"] += 1
        if not outcome.fine:
            bad += 1
            print(f"input {outcome.index}{outcome.ending}: {outcome.verdict}", flush=True)
    print(", ".join(f"{what}: {number}" for what, number in sorted(tally.items())))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
