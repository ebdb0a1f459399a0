"""Events per CPU second of every engine of trajectories on seven workloads, and of peers beside them.

`python tests/benchmarks/bench_trajectories.py` prints a markdown table. Peers (rebop, bngsim,
bioscrape, GillesPy2 in C++) run in an environment of their own, named by `--peers PYTHON` or the
variable KINETIX_PEERS: all take turns within each round, and medians over rounds are shown.
"""

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import sympy

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.events import Event
from kinetix.expressions import symbol
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species, mass_action
from kinetix.problem import Problem
from kinetix.solvers.paths import engines, kernels
from kinetix.solvers.paths.laws import laws_of
from kinetix.solvers.ssa import SSA
from kinetix.solvers.tau_leaping import TauLeaping

ROOT = Path(__file__).parents[2]
PEERS = ("rebop", "bngsim", "bioscrape", "gillespy2")
ENGINES = ("lanes", "tabled", "scalar")
SOLVED = {"lanes": 3e7, "tabled": 6e6, "scalar": 1e7}
"""Events that one measurement of an engine draws."""


def zoo(name, **parameters):
    network = kx.load(ROOT / "examples" / "models" / f"{name}.xml")
    return network.replace(parameters=parameters) if parameters else network


def random_network(seed=1, species=100, reactions=200):
    """A ring of conversions through all species in random order, and associations that part again."""
    rng = np.random.default_rng(seed)
    names, parameters, built = [f"X{i}" for i in range(species)], [], []

    def add(reactants, products, rate):
        parameters.append(Parameter(f"k{len(built)}", float(rate)))
        built.append(Reaction(f"r{len(built)}", reactants, products, mass_action(f"k{len(built)}", reactants)))

    ring = rng.permutation(species)
    for a, b in zip(ring, np.roll(ring, 1), strict=True):
        add({names[a]: 1}, {names[b]: 1}, rng.uniform(0.5, 1.5))
    while len(built) < reactions:
        a, b, c = (names[i] for i in rng.choice(species, 3, replace=False))
        add({a: 1, b: 1}, {c: 1}, rng.uniform(0.5, 1.5) / 50)
        add({c: 1}, {a: 1, b: 1}, rng.uniform(0.5, 1.5))
    return ReactionNetwork([Species(n, 50) for n in names], parameters, built, name="random")


WORKLOADS = {
    "birth-death": (lambda: zoo("birth_death", birth=10.0, death=0.1), 1000.0),
    "toggle": (lambda: zoo("toggle_switch"), 200.0),
    "autoregulation": (lambda: zoo("autoregulation"), 500.0),
    "Schlögl": (lambda: zoo("schloegl"), 5.0),
    "15-cascade": (lambda: zoo("cascade15"), 200.0),
    "100 species, 200 reactions": (random_network, 4.0),
    "Vilar oscillator": (lambda: kx.load(ROOT / "tests" / "data" / "biomodels" / "BIOMD0000000035.xml"), 20.0),
}


def workload(network, end, batch):
    """The model for peers: names x0.., numbers for rates, laws of mass action by their constant."""
    names = {symbol(n): sympy.Symbol(f"x{i}") for i, n in enumerate(network.species_names)}
    values = {p.name: p.value for p in (*network.parameters, *network.constants)}
    numbers = {symbol(name): sympy.Float(value) for name, value in values.items()}
    plain = [str(n) for n in names.values()]
    place = dict(zip(network.species_names, plain, strict=True))
    reactions = []
    for reaction, law in zip(network.reactions, laws_of(network), strict=True):
        sides = {
            side: [place[s] for s, m in getattr(reaction, side).items() for _ in range(int(m))]
            for side in ("reactants", "products")
        }
        wanted = {network.species_names.index(s): int(m) for s, m in reaction.reactants.items()}
        pure = law.factors is not None and dict(law.orders) == wanted and law.sign_proven
        pure = pure and len(law.factors or ()) == sum(wanted.values())
        constant = float(law.coefficient.xreplace(numbers)) if pure else None
        text = str(reaction.propensity.xreplace(numbers).xreplace(names))
        reactions.append({**sides, "constant": constant, "law": text})
    with tempfile.TemporaryDirectory() as folder:
        network.to_sbml(Path(folder) / "model.xml")
        sbml = (Path(folder) / "model.xml").read_text()
    start = dict(zip(plain, (int(s.initial) for s in network.species), strict=True))
    return {"species": start, "reactions": reactions, "end": end, "batch": batch, "sbml": sbml}


FIRST = {
    "toggle_switch": (ROOT / "examples" / "models" / "toggle_switch.xml", 2000.0),
    "autoregulation": (ROOT / "examples" / "models" / "autoregulation.xml", 5000.0),
    "BIOMD0000000035": (ROOT / "tests" / "data" / "biomodels" / "BIOMD0000000035.xml", 200.0),
}
FIRST_CODE = """
import sys, time
import kinetix as kx
solver = kx.SSA(paths=1, max_events=10**9)
answer = kx.solve(kx.load(sys.argv[1]), [float(sys.argv[2])], solver=solver, seed=1)
print(time.process_time(), answer.meta["engine"], answer.meta["events"])
"""


def first_trajectory(path, end):
    """CPU seconds of new processes, first with no kernel on disk and then with them; the engine and its events."""
    with tempfile.TemporaryDirectory() as folder:
        place = {**os.environ, "KINETIX_CACHE": folder, "NUMBA_CACHE_DIR": folder}
        command = [sys.executable, "-c", FIRST_CODE, str(path), str(end)]
        runs = [
            subprocess.run(command, capture_output=True, text=True, check=True, env=place).stdout.split()
            for _ in range(2)
        ]
    return [float(run[0]) for run in runs], " ".join(runs[0][1:-1]), runs[0][-1]


def cold(rounds):
    """Print the table of first trajectories."""
    print("CPU seconds of a new process, imports and SBML included, to one trajectory; medians.\n")
    print("| model | events | engine | no kernel on disk | kernels on disk |\n|---|---|---|---|---|")
    for name, (path, end) in FIRST.items():
        found = [first_trajectory(path, end) for _ in range(rounds)]
        none, warm = (statistics.median(times[k] for times, _, _ in found) for k in range(2))
        print(f"| {name} | {found[0][2]} | {found[0][1]} | {none:.2f} | {warm:.2f} |", flush=True)


def listening(rounds):
    """Print the table of events on counts: births at 50 and deaths at 1 a molecule, halved at 60."""
    x = symbol("X")
    halve = Event("halve", x >= 60, {"X": sympy.floor(x / 2)})
    network = zoo("birth_death", birth=50.0, death=1.0).with_parts(events=[halve])
    print("Births at 50 and deaths at 1 a molecule, whose count is halved at 60; medians.\n")
    print("| trajectories side by side | events | compiled | numpy |\n|---|---|---|---|")
    for paths, end in ((1, 200.0), (2_000, 20.0)):
        problem, speed, events = Problem.of(network, [end]), {}, 0
        for engine in ("tabled", "numpy"):
            spent = []
            for _ in range(rounds + 1):  # the first makes the kernel
                begun = time.process_time()
                found = SSA(paths=paths, engine=engine, threads=1).solve(problem, rng=np.random.default_rng(1))
                spent.append(time.process_time() - begun)
            events = found.meta.get("events") or events
            speed[engine] = events / statistics.median(spent[1:]) / 1e6
        print(f"| {paths} | {events} | {speed['tabled']:.2f} | {speed['numpy']:.2f} |", flush=True)


def pairs():
    parameters = [Parameter("k", 1e-4), Parameter("u", 0.2)]
    meet = Reaction("meet", {"A": 2}, {"B": 1}, mass_action("k", {"A": 2}))
    part = Reaction("part", {"B": 1}, {"A": 2}, mass_action("u", {"B": 1}))
    return ReactionNetwork([Species("A", 20_000), Species("B", 0)], parameters, [meet, part], name="pairs")


LEAPT = {
    "birth and death of 100,000": (lambda: zoo("birth_death", birth=1e5, death=1.0), 3.0),
    "pairs of 20,000": (pairs, 2.0),
    "decay of 1,000,000": (lambda: zoo("birth_death", birth=0.0, death=1.0).replace(initial={"X": 1_000_000}), 1.0),
}
"""Workloads of high counts, for leaps."""


def leaping(rounds, only):
    """Print the table of tau-leaping in its mode "auto" beside exact trajectories."""
    print("CPU seconds of tau-leaping (auto) and of exact trajectories, one thread, medians of alternating runs;")
    print("means and standard deviations of all species against each other, the worst.\n")
    print("| workload | paths | method | auto, s | exact, s | auto / exact | mean off | sd off |\n|" + 8 * "---|")
    for name in only or (*WORKLOADS, *LEAPT):
        build, end = {**WORKLOADS, **LEAPT}[name]
        problem = Problem.of(build(), [end])
        n = 5_000 if name in LEAPT else int(1e7 / mean_events(problem.model.network, end))
        solvers = [TauLeaping(paths=n, threads=1), SSA(paths=n, threads=1)]
        spent, found = ([], []), []
        for _ in range(rounds + 1):  # the first makes the kernels
            found = []
            for k, solver in enumerate(solvers):
                begun = time.process_time()
                found.append(solver.solve(problem, rng=np.random.default_rng(1)))
                spent[k].append(time.process_time() - begun)
        auto, exact = (statistics.median(taken[1:]) for taken in spent)
        cells = [name, n, found[0].meta["method"], f"{auto:.3f}", f"{exact:.3f}", f"{auto / exact:.3f}"]
        if found[0].meta["method"] == "leaps":
            ratios = (found[0].mean() / found[1].mean(), found[0].std() / found[1].std())
            cells += [f"{100 * np.abs(ratio - 1).max():.2f} %" for ratio in ratios]
        else:
            cells += ["the same counts" if (found[0].trajectories == found[1].trajectories).all() else "differs", ""]
        print("|", " | ".join(map(str, cells)), "|", flush=True)


class Engine:
    """An engine on a model: `measure` gives events per CPU second."""

    def __init__(self, name, network, end, per):
        self.model, self.per = compile_network(network), per
        n = int(max(SOLVED[name] / max(per, 1), 96 if name == "lanes" else 2))
        theta, start = np.tile(self.model.theta, (n, 1)), np.tile(self.model.initial, (n, 1))
        task = engines.Task(self.model, np.array([end]), theta, start, 10**12, 1)
        self.task, self.n, self.run = task, n, engines.choose(task, name).run
        self.measure(2)

    def measure(self, n=None):
        n = n or self.n
        out, report = (
            np.zeros((n, 1, len(self.model.initial)), np.int64),
            np.zeros(3 + len(self.model.initial), np.int64),
        )
        fired, control, when = np.full(n, -1), np.zeros(1, np.int64), np.zeros(1)
        low, high = np.uint64(1), np.uint64(2)
        starts, thetas = self.task.starts[:n].copy(), self.task.thetas[:n].copy()
        begun = time.process_time()
        self.run(self.task.times, thetas, starts, 0, low, high, 10**12, control, out, report, when, fired)
        spent = time.process_time() - begun
        assert report[0] == kernels.FINISHED
        return (fired.sum() if fired[0] >= 0 else n * self.per) / spent


def peer(python, name, model, per, seconds):
    """Events per CPU second of a peer, or None where it cannot run the workload."""
    command = [python, str(Path(__file__).with_name("peers.py")), name, str(seconds)]
    place = {**os.environ, "PATH": f"{Path(python).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    run = subprocess.run(command, input=json.dumps(model), capture_output=True, text=True, check=False, env=place)
    if run.returncode:
        print(f"{name}: {run.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return float(run.stdout.split()[-1]) * per


def measured(name, python, rounds, seconds):
    """The medians over rounds: {engine or peer: events per CPU second}."""
    build, end = WORKLOADS[name]
    network = build()
    per = mean_events(network, end)
    large = len(network.reactions) > 150
    ours = {e: Engine(e, network, end, per) for e in (("tabled",) if large else ENGINES)}
    batch = max(1, int(2e6 / per))
    model = workload(network, end, batch) if python else None
    found = {key: [] for key in (*ours, *PEERS)}
    for _ in range(rounds):
        for key, engine in ours.items():
            found[key].append(engine.measure())
        for key in PEERS if python else ():
            if (value := peer(python, key, model, per, seconds)) is not None:
                found[key].append(value)
    return {key: statistics.median(values) for key, values in found.items() if values}


def mean_events(network, end):
    answer = kx.SSA(paths=100, engine="tabled", max_events=10**9).solve(
        kx.Problem.of(network, [end]), rng=np.random.default_rng(0)
    )
    return answer.meta["events"] / 100


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=os.environ.get("KINETIX_PEERS"), help="python of an environment with peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU seconds of one measurement of a peer")
    parser.add_argument("--only", nargs="*", help="names of workloads (default: all)")
    parser.add_argument("--listening", action="store_true", help="events on counts, compiled and in numpy, instead")
    parser.add_argument("--leaping", action="store_true", help="tau-leaping beside exact trajectories instead")
    parser.add_argument("--cold", action="store_true", help="the first trajectory of new processes instead")
    given = parser.parse_args()
    print(f"{dt.datetime.now(dt.UTC).date().isoformat()}, {machine()}, Python {platform.python_version()}; ", end="")
    if given.cold:
        return cold(given.rounds)
    if given.leaping:
        return leaping(given.rounds, given.only)
    if given.listening:
        return listening(given.rounds)
    print("million events per CPU second on one core, medians of alternating runs.\n")
    columns = [*ENGINES, *(PEERS if given.peers else ()), *(["best / best peer"] if given.peers else [])]
    print("| workload |", " | ".join(columns), "|\n|---|" + "---|" * len(columns))
    for name in given.only or WORKLOADS:
        found = measured(name, given.peers, given.rounds, given.seconds)
        cells = [f"{found[key] / 1e6:.1f}" if key in found else "–" for key in columns if key in (*ENGINES, *PEERS)]
        if given.peers:
            best = max((found[p] for p in PEERS if p in found), default=float("nan"))
            cells.append(f"{max(found[e] for e in ENGINES if e in found) / best:.1f}")
        print(f"| {name} |", " | ".join(cells), "|", flush=True)
    return None


def machine():
    """The class of the machine."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
