"""Makes a pretrained general net the one that comes with kinetix: calibrates its flags, keeps how it was made.

    python tests/benchmarks/package_general.py RUN CONFIG.toml [--laws FOLDER]

RUN is the folder of `kinetix pretrain CONFIG.toml --output RUN`. Beside weights and manifest go the settings, a log of
the training (one line for every look at the panels) and the licence.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from kinetix.solvers.general.calibration import calibrated  # noqa: E402
from kinetix.solvers.general.packaged import FOLDER  # noqa: E402
from kinetix.solvers.general.pretraining import CALIBRATION_SEED  # noqa: E402
from kinetix.solvers.general.saved import GeneralNetwork  # noqa: E402
from tests.benchmarks.general_exam import exam  # noqa: E402

PROBLEMS = {"small": 400, "large": 400}


def looks(run: Path) -> list[dict[str, float]]:
    """The log, a line for every look at the panels: the first that has it."""
    found: list[dict[str, float]] = []
    for line in (run / "metrics.jsonl").read_text().splitlines():
        entry = json.loads(line)
        scores = {name: value for name, value in entry.items() if name.endswith(("median", "mean"))}
        if scores and (not found or any(found[-1][name] != value for name, value in scores.items())):
            found.append({name: entry[name] for name in ("fraction", "step", "cpu", "wall", "loss")} | scores)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("config", type=Path)
    parser.add_argument("--laws", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    net = GeneralNetwork.open(options.run)
    small, large = (exam(name, number, CALIBRATION_SEED, options.laws) for name, number in PROBLEMS.items())
    both = small.joined(large)
    calibrated(net, both.batch, both.cases).save(FOLDER)
    (FOLDER / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in looks(options.run)))
    shutil.copy(options.config, FOLDER / "config.toml")
    shutil.copy(ROOT / "LICENSE", FOLDER / "LICENSE")
    print(json.dumps({"trust": GeneralNetwork.open(FOLDER).certificate["trust"]}, indent=1))


if __name__ == "__main__":
    main()
