"""Makes a pretrained general net the one that comes with kinetix: calibrates its flags, keeps how it was made.

    python tests/benchmarks/package_general.py RUN CONFIG.toml [--laws FOLDER] [--before LOG.jsonl]

RUN is the folder of `kinetix pretrain CONFIG.toml --output RUN`. Beside weights and manifest go the settings, a log of
the training (one line for every look at the panels) and the licence. `--before`: the log of the legs before this one.
"""

import argparse
import functools
import json
import shutil
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from kinetix.solvers.general.calibration import calibrated  # noqa: E402
from kinetix.solvers.general.packaged import FOLDER  # noqa: E402
from kinetix.solvers.general.pretrained import GeneralNetwork  # noqa: E402
from kinetix.solvers.general.pretraining import CALIBRATION_SEED  # noqa: E402
from tests.benchmarks.general_exam import Exam, exam  # noqa: E402

PROBLEMS = {"small": 400, "large": 400, "regulated": 400}


def looks(run: Path) -> list[dict[str, float]]:
    """The log, a line for every look at the panels: the first that has it."""
    found: list[dict[str, float]] = []
    for line in (run / "metrics.jsonl").read_text().splitlines():
        entry = json.loads(line)
        scores = {name: value for name, value in entry.items() if name.endswith(("median", "mean"))}
        if scores and (not found or any(found[-1][name] != value for name, value in scores.items())):
            found.append({name: entry[name] for name in ("fraction", "step", "cpu", "wall", "loss")} | scores)
    return found


def joined(before: list[dict[str, float]], found: list[dict[str, float]]) -> list[dict[str, float]]:
    """Looks of the legs before and of this one, which goes on with their seconds and steps."""
    spent = before[-1] if before else {}
    return before + [
        {k: v + spent.get(k, 0) if k in ("step", "cpu", "wall") else v for k, v in e.items()} for e in found
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("config", type=Path)
    parser.add_argument("--laws", type=Path)
    parser.add_argument("--before", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    net = GeneralNetwork.open(options.run)
    before = [json.loads(line) for line in options.before.read_text().splitlines()] if options.before else []
    exams = [exam(name, number, CALIBRATION_SEED, options.laws) for name, number in PROBLEMS.items()]
    every = functools.reduce(Exam.joined, exams)
    calibrated(net, every.batch, every.cases).save(FOLDER)
    log = joined(before, looks(options.run))
    (FOLDER / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in log))
    shutil.copy(options.config, FOLDER / "config.toml")
    shutil.copy(ROOT / "LICENSE", FOLDER / "LICENSE")
    print(json.dumps({"trust": GeneralNetwork.open(FOLDER).certificate["trust"]}, indent=1))


if __name__ == "__main__":
    main()
