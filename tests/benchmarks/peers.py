"""Ask one public simulator for the mean and sd of a model file at one time; print them as JSON.

    PEERS_PYTHON tests/benchmarks/peers.py NAME FILE TIME PATHS

Runs under the peers' own Python and imports no kinetix. Each function is the simulator's documented way: its own
SBML reader, its exact stochastic method, default settings, amounts (not concentrations), a fixed seed. What a
simulator prints or warns goes through untouched; the last line of the output is the answer:
`{"version": ..., "n": ..., "mean": {species: value}, "sd": {...}, "minimum": {...}}`.
GillesPy2 compiles its solver with SCons, which it must find from a second process (hence PYTHONPATH).
"""

import json
import os
import sys
import sysconfig
import warnings
from importlib.metadata import version

import numpy as np

SEED = 1


def roadrunner(file, time, paths):
    """The Gillespie integrator; a bare species id selects its amount."""
    import roadrunner as rr

    model = rr.RoadRunner(file)
    model.setIntegrator("gillespie")
    model.integrator.seed = SEED
    names = [*model.model.getFloatingSpeciesIds(), *model.model.getBoundarySpeciesIds()]
    model.timeCourseSelections = ["time", *names]
    ends = []
    for _ in range(paths):
        model.reset()
        ends.append(np.array(model.simulate(0, time, 2))[-1, 1:])
    return "libroadrunner", names, ends


def copasi(file, time, paths):
    """The direct method, through basico; `use_numbers` gives particle numbers. Fixed species have no column."""
    import basico
    import COPASI

    basico.load_model(file)
    tell(COPASI.CCopasiMessage.getAllMessageText())
    ends = []
    for k in range(paths):
        run = basico.run_time_course(
            duration=time, intervals=1, method="directMethod", use_numbers=True, use_seed=True, seed=SEED + k
        )
        if not k:
            tell(COPASI.CCopasiMessage.getAllMessageText())
        COPASI.CCopasiMessage.clearDeque()
        if run.empty:
            sys.exit(1)
        ends.append(run.iloc[-1].to_numpy())
    fixed = [name for name in basico.get_species().index if name not in run.columns]
    still = [basico.get_species(name, exact=True).initial_particle_number.iloc[0] for name in fixed]
    return "python-copasi", [*run.columns, *fixed], [[*end, *still] for end in ends]


def bngsim(file, time, paths):
    """Replicates of one exact SSA; `as_roadrunner` with a bare species id gives its amount."""
    import bngsim as bng

    simulator = bng.Simulator(bng.Model.from_sbml(file), method="ssa")
    runs = simulator.run_replicates(paths, t_span=(0, time), n_points=2, seed=SEED)
    names = list(runs[0].species_names)
    return "bngsim", names, [np.array(run.as_roadrunner(["time", *names]))[-1, 1:] for run in runs]


def gillespy2(file, time, paths):
    """`algorithm="SSA"`, which picks the C++ solver; plain `run()` would integrate the species of a file as an ODE."""
    import gillespy2 as gp

    os.environ["PYTHONPATH"] = sysconfig.get_path("purelib")
    model, errors = gp.import_SBML(file)
    tell("\n".join(str(error) for error in errors))
    model.timespan(np.array([0.0, time]))
    runs = model.run(algorithm="SSA", number_of_trajectories=paths, seed=SEED)
    names = list(model.listOfSpecies)
    return "gillespy2", names, [[run[name][-1] for name in names] for run in runs]


def bioscrape(file, time, paths):
    """`import_sbml` and the SSA of `py_simulate_model`."""
    import bioscrape.random
    from bioscrape.sbmlutil import import_sbml
    from bioscrape.simulator import py_simulate_model

    model = import_sbml(file)
    bioscrape.random.py_seed_random(SEED)
    grid = np.linspace(0, time, 3)
    runs = [py_simulate_model(grid, Model=model, stochastic=True) for _ in range(paths)]
    names = [name for name in runs[0].columns if name != "time"]
    return "bioscrape", names, [run[names].iloc[-1].to_numpy() for run in runs]


PEERS = {f.__name__: f for f in (roadrunner, copasi, bngsim, gillespy2, bioscrape)}


def tell(text):
    """Pass on what a simulator keeps to itself."""
    if text.strip():
        print(text, file=sys.stderr)


def main(name, file, time, paths):
    warnings.formatwarning = lambda message, category, *_: f"{category.__name__}: {message}\n"
    package, names, ends = PEERS[name](file, float(time), int(paths))
    ends = np.array(ends, dtype=float)
    answer = {"version": version(package), "n": len(ends)}
    for what, values in (("mean", ends.mean(0)), ("sd", ends.std(0, ddof=1)), ("minimum", ends.min(0))):
        answer[what] = dict(zip(names, map(float, values), strict=True))
    print("\n" + json.dumps(answer))


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1] == "--versions":
        packages = {"roadrunner": "libroadrunner", "copasi": "python-copasi"}
        print(json.dumps({name: version(packages.get(name, name)) for name in PEERS}))
    else:
        main(*sys.argv[1:])
