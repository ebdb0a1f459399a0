"""Does this installation work: libraries, compiler, and one known law."""

from __future__ import annotations

from importlib.util import find_spec

from kinetix.errors import KinetixError

LIBRARIES = (
    "numpy",
    "scipy",
    "sympy",
    "libsbml",
    "lark",
    "numba",
    "torch",
    "safetensors",
    "emcee",
    "xarray",
    "matplotlib",
)

Check = tuple[str, bool, str]


def examine() -> tuple[list[Check], dict[str, str]]:
    """Every check as (name, passed, detail), and the versions."""
    from kinetix.provenance import versions

    missing = [name for name in LIBRARIES if find_spec(name) is None]
    checks = [("libraries", not missing, f"missing: {', '.join(missing)}" if missing else f"{len(LIBRARIES)} found")]
    return [*checks, *map(_birth_death, ("fsp", "ssa"))], versions()


def _birth_death(solver: str) -> Check:
    """Birth at 2, death at 1 a molecule: the mean at time 1 is 2(1 - 1/e)."""
    import numpy as np

    from kinetix.network import Parameter, Reaction, ReactionNetwork, Species, mass_action

    from .verbs import solve

    network = ReactionNetwork(
        [Species("X")],
        [Parameter("b", 2.0), Parameter("d", 1.0)],
        [
            Reaction("birth", {}, {"X": 1}, mass_action("b", {})),
            Reaction("death", {"X": 1}, {}, mass_action("d", {"X": 1})),
        ],
        name="birth_death",
    )
    expected, allowed = 2 * (1 - np.exp(-1)), 1e-6 if solver == "fsp" else 0.06
    try:
        found = float(solve(network, [1.0], solver=solver, seed=1).mean("X")[0])
    except (KinetixError, ImportError, OSError, RuntimeError) as problem:
        return f"birth-death by {solver}", False, f"{type(problem).__name__}: {problem}"
    good = abs(found - expected) < allowed
    return f"birth-death by {solver}", good, f"mean {found:.6f}, exact {expected:.6f}"
