"""Every [exact] value of the reference systems, by finite state projection on the zoo's files.

Prints a markdown table: quantity, value in the literature table, value here, proven error. Run
`python tests/benchmarks/figures_exact.py`; exits 1 when a printed digit is not reproduced.
"""

import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import kinetix as kx

MODELS = Path(__file__).parents[2] / "examples" / "models"
AUTOREGULATION = ((0.94, 0.01, 8.40, 28.1), (0.69, 0.07, 7.2, 40.6), (0.44, 0.08, 0.94, 53.1))
Row = tuple[str, str, float, float, float]  # quantity, as printed, here, error, CPU seconds


def solved(model: str, times: list[float], **parameters: float) -> tuple[kx.Solution, float]:
    started = time.process_time()
    solution = kx.solve(kx.load(MODELS / f"{model}.xml"), times, solver="fsp", parameters=parameters)
    return solution, time.process_time() - started


def birth_death() -> Iterator[Row]:
    times = [5.0, 25.0, 49.0, 98.0]
    solution, cpu = solved("birth_death", times)
    for k, t in enumerate(times):
        yield (
            f"birth_death mean, t = {t:g}",
            f"{10 * (1 - math.exp(-t / 100)):.6f}",
            solution.mean("X")[k],
            solution.error or 0,
            cpu,
        )


def autoregulation() -> Iterator[Row]:
    printed = (
        ("10.154", "5.197", ".243", ".911"),
        ("28.786", "12.113", ".461", ".344"),
        ("17.910", "22.164", ".768", ".645"),
    )
    for point, row in zip(AUTOREGULATION, printed, strict=True):
        names = ("sigma_u", "sigma_b", "rho_u", "rho_b")
        solution, cpu = solved("autoregulation", [10.0], **dict(zip(names, point, strict=True)))
        pmf = solution.marginal("P", 10.0)
        counts = np.arange(len(pmf))
        mean = pmf @ counts
        central = [pmf @ (counts - mean) ** m for m in range(5)]
        skewness, kurtosis = central[3] / central[2] ** 1.5, central[4] / central[2] ** 2
        here = (mean, math.sqrt(central[2]), 1 / (kurtosis - skewness**2), solution.marginal("Gu", 10.0)[1])
        for what, stated, value in zip(("mean P", "sd P", "bimodality", "P(Gu = 1)"), row, here, strict=True):
            yield f"autoregulation {what} at {point}", stated, value, solution.error or 0, cpu


def toggle_switch() -> Iterator[Row]:
    times = [1.0, 3.0, 40.0]
    solution, cpu = solved("toggle_switch", times)
    stated = {
        ("Gx", "mean"): ("0.9605", "0.7364", "0.5811"),
        ("Gy", "mean"): ("0.9605", "0.7364", "0.5811"),
        ("Px", "mean"): ("31.077", "39.090", "29.057"),
        ("Px", "sd"): ("6.199", "15.893", "23.643"),
        ("Py", "mean"): ("31.077", "39.090", "29.057"),
    }
    for (species, moment), values in stated.items():
        here = solution.mean(species) if moment == "mean" else solution.std(species)
        for k, t in enumerate(times):
            yield f"toggle_switch {moment} {species}, t = {t:g}", values[k], here[k], solution.error or 0, cpu
    for t, tail in zip(times, ("3.4e-13", "6.4e-06", "2.7e-05"), strict=True):
        yield (
            f"toggle_switch P(Px >= 80), t = {t:g}",
            tail,
            solution.marginal("Px", t)[80:].sum(),
            solution.error or 0,
            cpu,
        )


def gene_expression() -> Iterator[Row]:
    solution, cpu = solved("gene_expression", [360.0, 1800.0, 3600.0])
    for k, (mean, sd) in enumerate((("25.17", "7.85"), ("48.61", "9.88"), ("49.96", "9.95"))):
        t = solution.times[k]
        yield f"gene_expression mean p, t = {t:g}", mean, solution.mean("p")[k], solution.error or 0, cpu
        yield f"gene_expression sd p, t = {t:g}", sd, solution.std("p")[k], solution.error or 0, cpu


def as_printed(stated: str, value: float) -> str:
    """`value` with as many digits as `stated` shows."""
    if "e" in stated:
        return f"{value:.{len(stated.split('e', maxsplit=1)[0].split('.')[1])}e}"
    text = f"{value:.{len(stated.split('.')[1])}f}"
    return text[1:] if stated.startswith(".") else text


def main() -> int:
    print("| quantity | stated | here | proven error | CPU s |\n|---|---|---|---|---|")
    wrong = 0
    for system in (birth_death, autoregulation, toggle_switch, gene_expression):
        for what, stated, value, error, cpu in system():
            here = as_printed(stated, value)
            wrong += here != stated
            print(f"| {what} | {stated} | {here}{'' if here == stated else ' **differs**'} | {error:.1e} | {cpu:.2f} |")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
