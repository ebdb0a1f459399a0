"""Train one net of the figures and keep how good it was found to be, as a line of nets.jsonl.

    python tests/benchmarks/train_nets.py "toggle 3 min" --seed 1
    python tests/benchmarks/train_nets.py --list

Every budget is CPU seconds, teacher and data included. `figures_nets.py` makes the table of all lines.
"""

import argparse
import datetime as dt
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import kinetix as kx
from kinetix.solvers.nets.certificate import held_out
from tests.benchmarks import net_judges as judges
from tests.benchmarks.contexts import system
from tests.benchmarks.results import machine

RECORDS = Path(__file__).parent / "nets.jsonl"
CONTEXTS = 100


@dataclass(frozen=True)
class Row:
    """A figure: the box, the settings of MET, CPU seconds, how it is judged, the limits of the figures by name."""

    box: str
    seconds: float
    limits: Mapping[str, float]
    settings: Mapping[str, Any] = field(default_factory=dict)
    judge: str = "exact"


PATHS = {"teacher": "trajectories"}
ROWS = {
    "birth-death, starts, 60 s": Row("birth_death_fast_starts", 60, {"mean": 0.012}),
    "autoregulation, fsp, 60 s": Row("autoregulation", 60, {"mean": 0.007}),
    "autoregulation, fsp, 5 min": Row("autoregulation", 300, {"mean": 0.004}),
    "autoregulation, starts, 5 min": Row("autoregulation_starts", 300, {"mean": 0.010}),
    "autoregulation, trajectories, 60 s": Row("autoregulation", 60, {"mean": 0.018}, PATHS),
    "autoregulation, trajectories, 5 min": Row("autoregulation", 300, {"mean": 0.012}, PATHS),
    "toggle, trajectories, 3 min": Row("toggle_switch", 180, {"mean": 0.030}, PATHS),
    "toggle, trajectories, 15 min": Row("toggle_switch", 900, {"mean": 0.015, "Px": 0.015, "Py": 0.015}, PATHS),
    "telegraph, 2 min": Row("telegraph", 120, {"mean": 0.04}),
    "bursting, 2 min": Row("bursting", 120, {"mean": 0.04}),
    "cascade15, 15 min": Row("cascade15", 900, {"marginals": 0.012, "worst": 0.05}, PATHS, "poisson"),
    "mrna_turnover, 15 min": Row("mrna_turnover", 900, {"marginals": 0.012, "worst": 0.05}, PATHS, "linear"),
    "feed_forward_loop, 15 min": Row("feed_forward_loop", 900, {"marginals": 0.03, "pairs": 0.03}, PATHS, "paths"),
    "mapk16, 15 min": Row("mapk16", 900, {"marginals": 0.03, "pairs": 0.03}, PATHS, "paths"),
}


def exact(net: Any) -> dict[str, Any]:
    """The distances of the certificate."""
    found = net.certificate
    keys = ("joint", "species", "kl_per_sample", "tails_log10_95", "law_cpu_seconds")
    return {k: found[k] for k in keys if k in found}


def linear(net: Any, *, with_paths: bool) -> dict[str, Any]:
    """Means against the linear rate equations, marginals against Poisson laws or a million trajectories."""
    errors, marginals, pairs, gains = [], [], [], []
    for k, context in enumerate(held_out(net.domain, CONTEXTS)):
        means = judges.moments_by_ode(net.network, context)
        stated = judges.stated(net, context, k)
        order = net.net.layout.species
        own = [stated.marginal(j) for j in range(len(order))]
        gap = [p @ np.arange(len(p)) / means[s] - 1 for p, s in zip(own, order, strict=True) if means[s] > 1e-3]
        errors += [abs(float(g)) for g in gap]
        if with_paths:
            paths = judges.trajectories(net.network, context, judges.PATHS, k)
            found = judges.against_paths(net, context, k, paths)
            marginals += found["marginals"]
            pairs.append(max(found["pairs"]))
            gains.append(found["over_product"])
        else:
            laws = judges.poisson_laws(net.network, context)
            marginals += [judges.distance(p, laws[s]) for p, s in zip(own, order, strict=True)]
    result = {"means": judges.summary(errors), "marginals": judges.summary(marginals)}
    if with_paths:
        result |= {"worst_pair": judges.summary(pairs), "over_product": judges.summary(gains)}
    return result


def paths(net: Any) -> dict[str, Any]:
    """Marginals and pair laws against a million trajectories."""
    found = []
    for k, context in enumerate(held_out(net.domain, CONTEXTS)):
        found.append(judges.against_paths(net, context, k, judges.trajectories(net.network, context, judges.PATHS, k)))
    columns = {key: [v for f in found for v in np.atleast_1d(f[key])] for key in found[0]}
    return {key: judges.summary(values) for key, values in columns.items()}


def run(name: str, seed: int) -> dict[str, Any]:
    """Train and judge: the record."""
    row = ROWS[name]
    network, box, interval = system(row.box)
    held = CONTEXTS if row.judge == "exact" else 0
    began = time.process_time()
    net = kx.MET(held_out=held, **row.settings).train(
        network, times=interval, box=box, budget_cpu=row.seconds, seed=seed
    )
    judged = {
        "exact": lambda: exact(net),
        "poisson": lambda: linear(net, with_paths=False),
        "linear": lambda: linear(net, with_paths=True),
        "paths": lambda: paths(net),
    }[row.judge]()
    trained = net.certificate["training"]
    return {
        "row": name, "seed": seed, "date": dt.datetime.now(dt.UTC).date().isoformat(), "machine": machine(),
        "teacher": net.certificate["teacher"], "steps": trained["steps"], "cpu_seconds": trained["cpu_seconds"],
        "judging_cpu_seconds": time.process_time() - began - trained["cpu_seconds"], **judged,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row", nargs="?", choices=list(ROWS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    if given.list or not given.row:
        print("\n".join(ROWS))
        return
    record = json.dumps(run(given.row, given.seed))
    with RECORDS.open("a") as file:
        file.write(record + "\n")
    print(record)


if __name__ == "__main__":
    main()
