"""One peer on one workload: runs in an environment that has the peer, and imports nothing of kinetix.

`python peers.py NAME SECONDS < workload.json` prints trajectories per CPU second, children included.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path


def rebop(w):
    import rebop

    system = rebop.Gillespie()
    for r in w["reactions"]:
        system.add_reaction(r["constant"] if r["constant"] is not None else r["law"], r["reactants"], r["products"])
    start = {k: v for k, v in w["species"].items() if v}
    return lambda seed: system.run(start, tmax=w["end"], nb_steps=1, rng=seed)


def gillespy2(w):
    import gillespy2

    model = gillespy2.Model(name="workload")
    model.add_species([gillespy2.Species(name=k, initial_value=v) for k, v in w["species"].items()])
    for i, r in enumerate(w["reactions"]):
        count = {side: {s: r[side].count(s) for s in r[side]} for side in ("reactants", "products")}
        model.add_reaction(gillespy2.Reaction(name=f"r{i}", propensity_function=r["law"], **count))
    model.timespan(gillespy2.TimeSpan([0.0, w["end"]]))
    solver = gillespy2.SSACSolver(model=model)
    return lambda seed: model.run(solver=solver, number_of_trajectories=w["batch"], seed=seed + 1)


def bioscrape(w):
    import numpy as np
    from bioscrape.simulator import ModelCSimInterface, SSASimulator
    from bioscrape.types import Model

    reactions = []
    for r in w["reactions"]:
        if r["constant"] is not None:
            reactions.append((r["reactants"], r["products"], "massaction", {"k": r["constant"]}))
        else:
            reactions.append((r["reactants"], r["products"], "general", {"rate": r["law"].replace("**", "^")}))
    model = Model(species=list(w["species"]), reactions=reactions, initial_condition_dict=w["species"])
    interface = ModelCSimInterface(model)
    times = np.array([0.0, w["end"]])
    return lambda _: SSASimulator().py_simulate(interface, times)


def bngsim(w):
    import bngsim

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        path.write_text(w["sbml"])
        model = bngsim.Model.from_sbml(str(path))
    simulator = bngsim.Simulator(model, method="ssa", strict_ssa=False)

    def run(seed):
        model.reset()
        simulator.run(t_span=(0.0, w["end"]), n_points=2, seed=seed + 1)

    return run


def spent():
    return sum(os.times()[:4])


def main():
    name, seconds = sys.argv[1], float(sys.argv[2])
    w = json.load(sys.stdin)
    run = {"rebop": rebop, "gillespy2": gillespy2, "bioscrape": bioscrape, "bngsim": bngsim}[name](w)
    per = w["batch"] if name == "gillespy2" else 1
    run(0)
    begun, runs, limit = spent(), 0, time.monotonic() + 10 * seconds
    while spent() - begun < seconds and time.monotonic() < limit:
        runs += 1
        run(runs)
    print(runs * per / (spent() - begun))


if __name__ == "__main__":
    main()
