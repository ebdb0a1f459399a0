"""Every public case of the suites, read and run: how many are right or refused by name, and how far off at worst.

Prints a markdown table. Run `python tests/benchmarks/figures_importers.py`; exits 1 when a limit is missed. Fuzzing
and the 500 round trips are tests (`pytest -m slow tests/importers`).
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import kinetix as kx
from tests.exact import ROOT
from tests.importers import test_biomodels as biomodels
from tests.importers import test_dsmts as dsmts
from tests.importers import test_semantic as semantic
from tests.importers.small_sbml import load
from tests.importers.test_large import random_sbml

Row = tuple[str, str, str, bool]  # what, measured, limit, within it


def dsmts_exact() -> Row:
    worst, right = 0.0, 0
    for case in dsmts.CASES:
        times, columns = dsmts.table(case)
        solution = kx.solve(kx.load(dsmts.model(case)), times, solver="fsp")
        share = 0.0
        for column, stated in columns.items():
            name, _, moment = column.rpartition("-")
            here = solution.mean(name) if moment == "mean" else solution.std(name)
            share = max(share, float((np.abs(here - stated) / (2e-5 + 1e-6 * np.abs(stated))).max()))
        worst, right = max(worst, share), right + (share <= 1)
    measured = f"{right} of {len(dsmts.CASES)} right; worst deviation {worst:.2f} of the limit"
    return "DSMTS by FSP, means and sds at every time", measured, "2e-5 + 1e-6 of the value", right == len(dsmts.CASES)


def dsmts_paths() -> Row:
    worst_z, worst_y, right = 0.0, 0.0, 0
    for case in dsmts.CASES:
        times, columns = dsmts.table(case)
        solution = kx.solve(kx.load(dsmts.model(case)), times, solver="ssa", paths=dsmts.PATHS, seed=1)
        z, y = 0.0, 0.0
        for name in {column.rpartition("-")[0] for column in columns}:
            mu, sigma = columns[f"{name}-mean"], columns[f"{name}-sd"]
            moves = sigma > 0
            distance = np.sqrt(dsmts.PATHS) * (solution.mean(name) - mu)[moves] / sigma[moves]
            spread = np.sqrt(dsmts.PATHS / 2) * ((solution.std(name)[moves] / sigma[moves]) ** 2 - 1)
            z, y = max(z, np.abs(distance).max(initial=0)), max(y, np.abs(spread).max(initial=0))
        worst_z, worst_y = max(worst_z, z), max(worst_y, y)
        right += bool(z <= 4.5 and y <= dsmts.MOST_Y.get(case, 6.0))
    measured = f"{right} of {len(dsmts.CASES)} right; Z at most {worst_z:.2f}, Y at most {worst_y:.2f}"
    return "DSMTS by 10,000 trajectories", measured, "4.5 and 6 (case 33: 10)", right == len(dsmts.CASES)


def semantic_suite() -> Row:
    worst, cases = 0.0, {p.parent.name for p in semantic.FILES}
    for path in semantic.READ:
        columns, wanted = semantic.table(path.parent), semantic.settings(path.parent)
        solution = kx.solve(kx.load(path), columns.pop("time"), solver="mean-field")
        for name, stated in columns.items():
            allowed = float(wanted["absolute"]) + float(wanted["relative"]) * np.abs(stated)
            worst = max(worst, float((np.abs(solution.mean(name) - stated) / allowed).max()))
    refused = sum(_refused(p) for p in semantic.FILES if p not in semantic.READ)
    files = len(semantic.FILES)
    measured = f"{len(semantic.READ)} of {files} files run, worst deviation {worst:.2g} of the limit; {refused} refused"
    good = worst <= 1 and refused + len(semantic.READ) == files and len(cases) == 51
    return f"semantic suite, {len(cases)} cases, by the mean field", measured, "the suite's own", good


def _refused(path: Path) -> bool:
    try:
        kx.load(path)
    except kx.UnsupportedFeature:
        return True
    return False


def curated_models() -> Row:
    worst, slowest, numbers = 0.0, 0.0, (10, 12, 26, 35, 188, 485, 573, 703, 957)
    for path in sorted(biomodels.FOLDER.glob("*.xml")):
        started = time.process_time()
        kx.load(path)
        slowest = max(slowest, time.process_time() - started)
    for number in numbers:
        table = biomodels.reference("ODE", number)
        solution = kx.solve(kx.load(biomodels.model(number)), table.pop("time"), solver="mean-field")
        for name, stated in table.items():
            allowed = 1e-4 * np.abs(stated) + 1e-6 * np.abs(stated).max()
            worst = max(worst, float((np.abs(solution.mean(name) - stated) / np.maximum(allowed, 1e-300)).max()))
    measured = f"10 loaded, slowest {slowest:.1f} s; {len(numbers)} against tables: worst {worst:.2g} of the limit"
    return "BioModels by the mean field", measured, "1e-4 and 1e-6 of the largest; 10 s", worst <= 1 and slowest < 10


def hostile_files() -> Row:
    folder, slowest, kinds = ROOT / "tests" / "data" / "hostile", 0.0, {"read": 0, "refused": 0}
    for path in sorted(folder.glob("*.xml")):
        started = time.process_time()
        try:
            kx.solve(kx.load(path), [1.0], solver="fsp")
            kinds["read"] += 1
        except kx.KinetixError:
            kinds["refused"] += 1
        slowest = max(slowest, time.process_time() - started)
    measured = f"{kinds['refused']} refused by name, {kinds['read']} run; slowest {slowest:.2f} s"
    return "14 bad or odd files, loaded and run by FSP", measured, "2 s, nothing but KinetixError", slowest < 2


def large() -> Row:
    text = random_sbml(3000)
    started = time.process_time()
    network = load(text)
    seconds = time.process_time() - started
    measured = f"{seconds:.1f} s for {len(network.species)} species, {len(network.reactions)} channels"
    return "3,000 species and 3,000 reactions, loaded", measured, "10 s", seconds <= 10


def rows() -> Iterator[Row]:
    for figure in (dsmts_exact, dsmts_paths, semantic_suite, curated_models, hostile_files, large):
        yield figure()


def main() -> int:
    print("| figure | measured | limit |\n|---|---|---|")
    missed = 0
    for what, measured, limit, good in rows():
        print(f"| {what} | {measured}{'' if good else ' **missed**'} | {limit} |", flush=True)
        missed |= not good
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
