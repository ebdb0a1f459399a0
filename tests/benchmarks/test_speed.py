"""The workloads of the benchmark scripts under pytest-benchmark, in CPU time: trajectories and windows.

`pytest tests/benchmarks --benchmark-only`; the plain suite leaves them out. Peers stay in the scripts.
"""

import time

import numpy as np
import pytest

from kinetix.compiler import compile_network
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.ssa import SSA
from kinetix.space import StateSpace
from tests.benchmarks import bench_fsp, bench_trajectories

pytest.importorskip("pytest_benchmark")
pytestmark = pytest.mark.benchmark(timer=time.process_time, warmup=True, warmup_iterations=1, min_rounds=3)

WINDOWS = [w for w in bench_fsp.WINDOWS if StateSpace.box(w[2]).size < 300_000]
"""The windows that a round has time for; the script integrates the others too."""


@pytest.mark.parametrize("name", bench_trajectories.WORKLOADS)
def test_trajectories(benchmark, name):
    """A hundred trajectories by the engine that "auto" takes; its `events` stand in the extra information."""
    build, end = bench_trajectories.WORKLOADS[name]
    problem, solver = Problem.of(build(), [end]), SSA(paths=100, threads=1)
    answer = benchmark(lambda: solver.solve(problem, rng=np.random.default_rng(1)))
    benchmark.extra_info |= {"engine": answer.meta["engine"], "events": answer.meta["events"]}
    assert answer.meta["events"] > 0


@pytest.mark.parametrize(("name", "network", "upper", "end"), WINDOWS, ids=[w[0] for w in WINDOWS])
def test_windows(benchmark, name, network, upper, end):
    """The law on one fixed window, to the tolerance of the script."""
    model, space = compile_network(network), StateSpace.box(upper)
    projector = FSP(leak=bench_fsp.TOLERANCE, max_states=2_000_000).projector(Problem.of(model, [end]))
    law = benchmark(lambda: projector.on(space, model.theta[None]))
    benchmark.extra_info["states"] = space.size
    assert abs(law.sum() - 1.0) < 0.1
