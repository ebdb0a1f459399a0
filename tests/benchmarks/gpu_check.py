"""One device held against the CPU: the same laws, the same training of nets, and the time that each takes.

    python tests/benchmarks/gpu_check.py [--device cuda|cpu] [--output gpu.json] [--quick] [--parts operator van met]

Prints, or writes, one JSON object; ends with 1 where a law or a net differs by more than the stated errors. With
`--device cpu` it runs on any machine, and says what torch costs against compiled code.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.projection.devices import torch_device
from kinetix.space import StateSpace
from tests import exact
from tests.benchmarks.gpu_check_nets import met, name_of, timed, van

CASES = {
    # name: network, times, upper counts of the fixed window, rate vectors on the CPU and on the device
    "telegraph, 256 states": (exact.telegraph, [2.0], (1, 127), 64, 4096),
    "autoregulation, 340 states, 4 times": (exact.autoregulation, [1.0, 2.0, 5.0, 10.0], (1, 169), 64, 4096),
    "gene expression, 10,000 states": (exact.gene_expression, [1.0], (99, 99), 8, 256),
    "toggle switch, 160,000 states": (exact.toggle_switch, [0.3], (1, 1, 199, 199), 2, 16),
}
"""Windows with their corners, and batches of rate vectors."""

SPREAD = 0.1


def operator(device: str, *, quick: bool = False) -> dict[str, object]:
    """Laws and times of the batched master equation on `device` against those of compiled code: numbers for JSON."""
    device = "torch:cpu" if device == "cpu" else device
    where = torch_device(device)
    chosen = list(CASES.items())[: 2 if quick else None]
    rows = {name: _case(device, where, *case, quick=quick) for name, case in chosen}
    return {
        "device": name_of(where),
        "torch": torch.__version__,
        "compiled_threads": FSP().threads or "all cores",
        "agrees": all(row["agrees"] for row in rows.values()) and _likelihoods(device, 16 if quick else 500),
        "cases": rows,
    }


def _case(device, where, make, times, upper, few, many, *, quick):
    problem, space = Problem.of(make(), times), StateSpace.box(upper)
    compiled, batched = FSP(), FSP(device=device)
    few, many = (4, 8) if quick else (few, many)
    if where.type == "cpu":
        many = few
    thetas = problem.theta * np.exp(SPREAD * np.random.default_rng(0).normal(size=(many, len(problem.theta))))
    timed(lambda: (compiled.tables(problem, thetas[:1], space), batched.tables(problem, thetas[:1], space)), where)
    (laws, _), cpu = timed(lambda: compiled.tables(problem, thetas[:few], space), where)
    (found, _), seconds = timed(lambda: batched.tables(problem, thetas, space), where)
    apart = float(np.abs(laws - found[:few]).sum(axis=2).max())
    allowed = 0.1 * compiled.leak + 1e-10  # what integration alone may add on either side
    return {
        "states": space.size,
        "rate_vectors": many,
        "apart": apart,
        "agrees": apart <= allowed,
        "compiled_per_second": few / cpu,
        "device_per_second": many / seconds,
        "device_over_compiled": many / seconds * cpu / few,
    }


def _likelihoods(device: str, number: int) -> bool:
    """Whether log-probabilities on adaptive windows agree within what may be lost."""
    problem, rows = Problem.of(exact.telegraph(), [0.5, 3.0]), [np.arange(30)[:, None]] * 2
    noise = np.random.default_rng(1).normal(size=(number, len(problem.theta)))
    asked = problem, problem.theta * np.exp(0.5 * noise), rows, [1]
    a, b = (solver.log_prob_batch(*asked) for solver in (FSP(), replace(FSP(), device=device)))
    return all(float(np.abs(np.exp(x) - np.exp(y)).max()) <= 2.2e-9 for x, y in zip(a, b, strict=True))


PARTS = {"operator": operator, "van": van, "met": met}
"""The parts of the check by name: functions of a device that return numbers for JSON and `agrees`."""


def main(arguments: list[str] | None = None) -> int:
    """Run all parts; 0 when all agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, cpu")
    parser.add_argument("--output", type=Path, help="a file for the JSON; else it is printed")
    parser.add_argument("--quick", action="store_true", help="small windows and nets, few rate vectors and steps")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="some of the parts only")
    chosen = parser.parse_args(arguments)
    found = {name: PARTS[name](chosen.device, quick=chosen.quick) for name in chosen.parts}
    text = json.dumps(found, indent=2)
    if chosen.output is None:
        sys.stdout.write(text + "\n")
    else:
        chosen.output.write_text(text + "\n")
    return 0 if all(part["agrees"] for part in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
