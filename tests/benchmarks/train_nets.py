"""Train one net of the figures and keep how good it was found to be, as a line of nets.jsonl.

    python tests/benchmarks/train_nets.py "toggle, trajectories, 3 min" --seed 1
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
from kinetix.solvers.nets.held_out import Context, held_out
from tests.benchmarks import net_judges as judges
from tests.benchmarks.contexts import system
from tests.benchmarks.net_baseline import at_equal_cpu
from tests.benchmarks.results import machine

RECORDS = Path(__file__).parent / "nets.jsonl"
CONTEXTS = 100
SMOOTHED = 20
"""Held-out problems at which smoothed trajectories are judged beside the first seed."""


@dataclass(frozen=True)
class Row:
    """A figure: the box, the settings of MET, CPU seconds, how it is judged, the limits of the figures by name.

    A limit is one of the mean over all problems, or, where its name ends in ", worst", of the largest.
    """

    box: str
    seconds: float
    limits: Mapping[str, float]
    settings: Mapping[str, Any] = field(default_factory=dict)
    judge: str = "exact"
    time_alone: bool = False


PATHS = {"teacher": "trajectories"}
HISTORIES = {"teacher": "histories"}
UNTOLD = PATHS | {"means": False}
PUBLISHED = {"teacher": "van", "rate": 2e-3, "means": False}
"""The paper's own mode: policy gradient from trained VANs, whose training counts; no exact means in the prompt."""
LINEAR = {"means": 0.03, "means, worst": 0.10, "marginals": 0.012, "marginals, worst": 0.05}
ROWS = {
    "birth-death, starts, without means, 60 s": Row("birth_death_fast_starts", 60, {}, {"means": False}),
    "birth-death, starts, 60 s": Row("birth_death_fast_starts", 60, {"mean": 0.012}),
    "autoregulation, fsp, 30 s": Row("autoregulation", 30, {}),
    "autoregulation, fsp, 60 s": Row("autoregulation", 60, {"mean": 0.007}),
    "autoregulation, fsp, 5 min": Row("autoregulation", 300, {"mean": 0.004}),
    "autoregulation, fsp, 30 min": Row("autoregulation", 1800, {}),
    "autoregulation, starts, 5 min": Row("autoregulation_starts", 300, {"mean": 0.010}),
    "autoregulation, trajectories, 60 s": Row("autoregulation", 60, {"mean": 0.018}, PATHS),
    "autoregulation, trajectories, 5 min": Row("autoregulation", 300, {"mean": 0.012}, PATHS),
    "toggle, trajectories, 30 s": Row("toggle_switch", 30, {}, PATHS),
    "toggle, trajectories, 3 min": Row("toggle_switch", 180, {"mean": 0.030}, PATHS),
    "toggle, trajectories, 15 min": Row("toggle_switch", 900, {"mean": 0.015, "Px": 0.015, "Py": 0.015}, PATHS),
    "toggle, trajectories, 30 min": Row("toggle_switch", 1800, {}, PATHS),
    "telegraph, 2 min": Row("telegraph", 120, {"mean": 0.04}),
    "bursting, 2 min": Row("bursting", 120, {"mean": 0.04}),
    "cascade15, without means, 15 min": Row("cascade15", 900, {}, UNTOLD, "poisson"),
    "cascade15, trajectories, 15 min": Row("cascade15", 900, {}, PATHS, "poisson"),
    "cascade15, histories, 1 min": Row("cascade15", 60, LINEAR, HISTORIES, "poisson"),
    "mrna_turnover, without means, 15 min": Row("mrna_turnover", 900, {}, UNTOLD, "linear"),
    "mrna_turnover, trajectories, 15 min": Row("mrna_turnover", 900, {}, PATHS, "linear"),
    "mrna_turnover, histories, 15 min": Row("mrna_turnover", 900, LINEAR, HISTORIES, "linear"),
    "feed_forward_loop, 15 min": Row("feed_forward_loop", 900, {"marginals": 0.03, "pairs": 0.03}, PATHS, "paths"),
    "feed_forward_loop, 3 min": Row("feed_forward_loop", 180, {}, PATHS, "likelihoods"),
    "mapk16, 3 min": Row("mapk16", 180, {}, PATHS, "likelihoods"),
    "mapk16, 15 min": Row("mapk16", 900, {"marginals": 0.03, "pairs": 0.03}, PATHS, "paths"),
    "autoregulation, policy gradient, 10 min": Row("autoregulation", 600, {"mean": 0.03}, PUBLISHED),
    "autoregulation, policy gradient, 5 min": Row("autoregulation", 300, {}, PUBLISHED),
    "autoregulation, KL to VANs, 5 min": Row("autoregulation", 300, {}, {**PUBLISHED, "signal": "kl"}),
    "toggle, time alone, policy gradient, 5 min": Row("toggle_switch", 300, {"mean": 0.10}, PUBLISHED, time_alone=True),
    "toggle, time alone, trajectories, 5 min": Row("toggle_switch", 300, {}, PATHS, time_alone=True),
    "mrna_turnover, time alone, policy gradient, 20 min": Row(
        "mrna_turnover", 1200, {"late, worst": 0.05}, PUBLISHED, "means", time_alone=True
    ),
    "mrna_turnover, time alone, policy gradient, 5 min": Row(
        "mrna_turnover", 300, {}, PUBLISHED, "means", time_alone=True
    ),
    "mrna_turnover, time alone, trajectories, 5 min": Row("mrna_turnover", 300, {}, PATHS, "means", time_alone=True),
}
LEARNT = 0.02
"""A mean below this share of its largest is not judged by its relative error."""


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


def likelihoods(net: Any) -> dict[str, Any]:
    """How much likelier held-out trajectories are than under the product of marginals and linear noise."""
    found = []
    for k, context in enumerate(held_out(net.domain, CONTEXTS)):
        paths = judges.trajectories(net.network, context, 5 * judges.LIKELIHOOD, k)
        found.append(judges.likelihoods(net, context, paths))
    return {key: judges.summary([f[key] for f in found]) for key in found[0]}


def means_in_time(net: Any) -> dict[str, Any]:
    """Relative errors of the means at 25 times, where they are above `LEARNT` of their largest, and at the last."""
    model, until = kx.compile_network(net.network), net.times[1]
    order, own, exact = list(net.net.layout.species), [], []
    for k, t in enumerate(np.linspace(0, until, 26)[1:]):
        context = Context(model.theta, model.initial, float(t))
        stated = judges.stated(net, context, k, judges.DRAWS * (10 if t == until else 1))
        own.append([p @ np.arange(len(p)) for p in (stated.marginal(j) for j in range(len(order)))])
        exact.append(judges.moments_by_ode(net.network, context)[order])
    errors, means = np.abs(np.array(own) / exact - 1), np.array(exact)
    return {
        "means": judges.summary(errors[means > LEARNT * means.max(axis=0)]),
        "late": judges.summary(errors[-1]),
    }


def run(name: str, seed: int, keep: Path | None = None) -> dict[str, Any]:
    """Train and judge: the record."""
    row = ROWS[name]
    network, box, interval = system(row.box)
    box = {} if row.time_alone else box
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
        "likelihoods": lambda: likelihoods(net),
        "means": lambda: means_in_time(net),
    }[row.judge]()
    if row.judge == "exact" and seed == 1:
        some = held_out(net.domain, SMOOTHED)
        judged["smoothed"] = at_equal_cpu(network, some, row.seconds / CONTEXTS)
    if keep is not None:
        net.save(keep)
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
    parser.add_argument("--keep", type=Path, help="a folder for the net")
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    if given.list or not given.row:
        print("\n".join(ROWS))
        return
    record = json.dumps(run(given.row, given.seed, given.keep))
    with RECORDS.open("a") as file:
        file.write(record + "\n")
    print(record)


if __name__ == "__main__":
    main()
