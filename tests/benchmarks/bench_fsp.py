"""The finite state projection against its peers, in CPU time; writes FSP.md beside this file.

Peers: `scipy.sparse.linalg.expm_multiply` on the same window, a Krylov integrator with adaptive steps
and scipy's stiff ODE solvers with a sparse Jacobian, those two at equal error. Run
`python -m tests.benchmarks.bench_fsp [--write]` from the repository's root.
"""

# ruff: noqa: B023 - every lambda is called in its own pass of the loop
import os
import sys
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import scipy.linalg
from scipy.integrate import solve_ivp
from scipy.sparse.linalg import expm_multiply

from kinetix.compiler import compile_network
from kinetix.errors import TruncationError
from kinetix.master import MasterOperator
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.parallel import cores
from kinetix.solvers.projection.grid import grid_of
from kinetix.solvers.projection.uniformisation import Schedule, sweep
from kinetix.space import StateSpace
from tests import exact

TOLERANCE = 1e-8
WINDOWS = [  # network, window, time
    ("autoregulation, 100 bound", exact.autoregulation(0.69, 0.07, 7.2, 340.0), (1, 511), 2.0),
    ("gene expression", exact.gene_expression(), (15, 127), 1800.0),
    ("toggle switch", exact.toggle_switch(), (1, 1, 49, 49), 1.0),
    ("gene expression, wide", exact.gene_expression(), (31, 319), 1800.0),
    ("toggle switch, wide", exact.toggle_switch(), (1, 1, 159, 159), 1.0),
    ("toggle switch, widest (short)", exact.toggle_switch(), (1, 1, 499, 499), 0.1),
]


def cpu(task: Callable[[], object], repeats: int = 5) -> float:
    """The median CPU time of a task that has run once already."""
    taken = []
    for _ in range(repeats):
        begun = time.process_time()
        task()
        taken.append(time.process_time() - begun)
    return float(np.median(taken))


def krylov(generator, start, end, tolerance, m=30):
    """Arnoldi with restarts and an error estimate from the augmented matrix (Sidje, Expokit, 1998)."""
    t, step, law = 0.0, end / 100, start
    while t < end * (1 - 1e-14):
        step, beta = min(step, end - t), np.linalg.norm(law)
        basis, h = np.zeros((m + 1, len(law))), np.zeros((m + 2, m + 2))
        basis[0] = law / beta
        for j in range(m):
            w = generator @ basis[j]
            h[: j + 1, j] = basis[: j + 1] @ w
            w = w - h[: j + 1, j] @ basis[: j + 1]
            h[j + 1, j] = np.linalg.norm(w)
            basis[j + 1] = w / h[j + 1, j]
        h[m + 1, m] = 1.0
        while True:
            f = scipy.linalg.expm(step * h)
            error = beta * abs(f[m + 1, 0] * h[m, m - 1]) + 1e-300
            if error <= 2 * tolerance * step / end:
                break
            step *= 0.9 * max(0.2, (tolerance * step / end / error) ** (1 / m))
        law, t = beta * (f[: m + 1, 0] @ basis), t + step
        step *= min(3.0, 0.9 * (tolerance * step / end / error) ** (1 / m))
    return law


def ode(generator, start, end, method, tolerance):
    settings = {"rtol": tolerance, "atol": 1e-3 * tolerance, "method": method}
    if method != "LSODA":
        settings["jac"] = generator.tocsc()
    return solve_ivp(lambda _, p: generator @ p, (0.0, end), start, t_eval=[end], **settings).y[:, -1]


def cheapest(run, reference):
    """The CPU time and error of the loosest tolerance that reaches TOLERANCE in L1."""
    for tolerance in (1e-8, 1e-9, 1e-10, 1e-11):
        begun = time.process_time()
        error = np.abs(run(tolerance) - reference).sum()
        taken = time.process_time() - begun
        if error <= TOLERANCE:
            return taken
    return float("nan")


def windows():
    yield (
        "| window | states | products | this, s | stated error | true error "
        "| expm_multiply | building CSR | Krylov | BDF | Radau |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for name, network, upper, end in WINDOWS:
        model, space = compile_network(network), StateSpace.box(upper)
        problem, theta = Problem.of(model, [end]), model.theta[None]
        projector = FSP(leak=TOLERANCE, max_states=2_000_000).projector(problem)
        law = projector.on(space, theta)[0, 0]
        flow = projector._integrate(
            grid_of(model, space).rates(model.theta),
            projector.maker.start.on(space),
            np.zeros(1, int),
            lost_at_most=2.0,
        )
        here = cpu(lambda: projector.on(space, theta), 9 if space.size < 2e5 else 3)
        built = time.process_time()
        generator = MasterOperator.of(model, model.theta, space).sparse()
        built = time.process_time() - built
        start = projector.maker.start.on(space)
        begun = time.process_time()
        reference = expm_multiply(generator * end, start)
        peer = time.process_time() - begun
        row = [name, space.size, sum(flow.products.values()), f"{here:.4g}", f"{flow.error[-1]:.1e}"]
        row += [f"{np.abs(law - reference).sum():.1e}", f"{peer / here:.1f}×", f"{built / here:.1f}×"]
        if space.size <= 2e4:
            row.append(f"{cheapest(lambda tol: krylov(generator, start, end, tol), reference) / here:.1f}×")
            row += (
                [
                    f"{cheapest(lambda tol, m=m: ode(generator, start, end, m, tol), reference) / here:.1f}×"
                    for m in ("BDF", "Radau")
                ]
                if space.size <= 3e3
                else ["", ""]
            )
        else:
            row += ["", "", ""]
        yield "| " + " | ".join(map(str, row)) + " |"


def products():
    yield "\n| window | states | ns a state a product | vectors of memory at the peak |"
    yield "|---|---|---|---|"
    for name, network, upper, _ in WINDOWS:
        model = compile_network(network)
        grid = grid_of(model, StateSpace.box(upper))
        rates = grid.rates(model.theta)
        rate, size = float(rates.outflow.max()), grid.space.size
        terms, start = grid.terms(rates, rate), np.full(size, 1.0 / size)
        schedule = Schedule.of(rate, np.array([max(200.0, 2e7 / size) / rate]))
        taken = cpu(lambda: sweep(terms, start, schedule, still=0.0), 5)
        problem = Problem.of(model, [20.0 / rate])
        projector = FSP(max_states=2_000_000).projector(problem)
        tracemalloc.start()
        projector.on(grid.space, model.theta[None])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        yield f"| {name} | {size} | {taken / schedule.products / size * 1e9:.2f} | {peak / 8 / size:.1f} |"


def small():
    problem = Problem.of(exact.autoregulation(), [10.0])
    for _ in range(20):
        found = FSP(leak=TOLERANCE).solve(problem)
    taken = cpu(lambda: FSP(leak=TOLERANCE).solve(problem), 101)
    yield f"\nAutoregulation, t = 10, to 1e-8: {1e3 * taken:.2f} ms ({found.meta['states']} states), warm."
    network = exact.telegraph(ksyn=50.0)
    model, rng, number = compile_network(network), np.random.default_rng(0), 600
    thetas = np.tile(model.theta, (number, 1))
    thetas[:, :3] = rng.uniform([0.5, 0.5, 40.0], [2.0, 2.0, 50.0], (number, 3))
    question, rows = Problem.of(network, [3.0]), [np.arange(0, 60, 3)[:, None]]
    solver = {n: FSP(leak=TOLERANCE, caps={"Gu": 1, "M": 127}, threads=n) for n in (1, 2)}
    solver[1].log_prob_batch(question, thetas, rows, (1,))
    taken = cpu(lambda: solver[1].log_prob_batch(question, thetas, rows, (1,)), 5)
    yield f"\nLikelihood of a telegraph of 256 states, t = 3: {number / taken:.0f} rate vectors a second a core."
    walls = {1: np.inf, 2: np.inf}
    for _ in range(25):
        for n, engine in solver.items():
            begun = time.perf_counter()
            engine.log_prob_batch(question, thetas, rows, (1,))
            walls[n] = min(walls[n], time.perf_counter() - begun)
    yield f"Two threads: {walls[1] / walls[2]:.2f}× of one, by the clock ({cores()} cores, shared)."


LOOSE = 1e-3
"""Probability that MAPK may lose to t = 10000, where its states are too many for less."""


def enzyme():
    """Twenty enzymes that bind and let go of their substrate a million times for every product."""
    return exact.network(
        {"E": 20, "S": 200, "C": 0, "P": 0},
        {"kf": 1e4, "kr": 1e5, "kc": 1.0},
        [
            ("bind", {"E": 1, "S": 1}, {"C": 1}, "kf"),
            ("free", {"C": 1}, {"E": 1, "S": 1}, "kr"),
            ("make", {"C": 1}, {"E": 1, "P": 1}, "kc"),
        ],
    )


def stiff():
    yield "\n| stiff or long | time | leak | states | methods (products) | CPU, s | stated error |"
    yield "|---|---|---|---|---|---|---|"
    cases = [("Schlögl", exact.schloegl(), 10.0), ("toggle switch", exact.toggle_switch(), 40.0)]
    cases += [("gene expression", exact.gene_expression(), 3600.0)]
    cases += [("telegraph, switching at 1e5", exact.telegraph(1e5, 1e5, 40.0, 1.0), 10.0)]
    cases += [("telegraph, switching at 1e6", exact.telegraph(1e6, 1e6, 40.0, 1.0), 10.0)]
    cases += [("fast enzyme", enzyme(), 10.0)]
    cases += [("MAPK, 16 species", exact.mapk16(), end) for end in (30.0, 100.0, 1000.0, 10000.0)]
    for name, network, end in cases:
        leak = LOOSE if end > 1000 and len(network.species) == 16 else TOLERANCE
        problem, begun = Problem.of(network, [end]), time.process_time()
        try:
            found = FSP(leak=leak).solve(problem)
        except TruncationError as refusal:
            spent = time.process_time() - begun
            yield f"| {name} | {end:g} | {leak:g} | | refused: {refusal.args[0]} | {spent:.3g} | |"
            continue
        taken = time.process_time() - begun
        taken = cpu(lambda: FSP(leak=leak).solve(problem), 3) if taken < 10 else taken
        counted = f"{found.meta['states']} | {', '.join(f'{n} {m}' for m, n in found.meta['methods'].items() if n)}"
        yield f"| {name} | {end:g} | {leak:g} | {counted} | {taken:.3g} | {found.error:.1e} |"


def main() -> None:
    lines = ["# The finite state projection, measured", ""]
    lines.append(
        f"{datetime.now(UTC):%Y-%m-%d}, two cores of an AMD EPYC, load {os.getloadavg()[0]:.1f} from other work"
    )
    lines.append("at the start; CPU time, medians.")
    lines += ["Peers as multiples of this solver's CPU time, to 1e-8 in L1 on the same window.", ""]
    print("\n".join(lines))
    for part in (windows, products, small, stiff):
        for line in part():
            print(line, flush=True)
            lines.append(line)
    if "--write" in sys.argv:
        (Path(__file__).parent / "FSP.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
