"""kinetix: from an SBML file and a table of cells to rates you can trust. Lazy: nothing loads until it is asked for."""

from importlib import import_module as _import_module
from pathlib import Path as _Path

if __name__ != "kinetix":
    raise ImportError(f"import this package as 'kinetix', not as {__name__!r}: it would hold every class twice")

_ROOT = _Path(__file__).resolve().parent.parent
if (_ROOT / "pyproject.toml").is_file() and (_ROOT / "importers" / "__init__.py").is_file():
    __path__.append(str(_ROOT))  # a source checkout: the wings lie beside the core

__version__ = "0.1.0"

_HOMES = {
    "kinetix.errors": "KinetixError ModelError UnsupportedFeature SettingError DataError CheckpointError "
    "TruncationError RunError LockedError",
    "kinetix.events": "Event",
    "kinetix.network": "Species Parameter Reaction ReactionNetwork mass_action",
    "kinetix.compiler": "CompiledModel compile_network",
    "kinetix.problem": "Problem",
    "kinetix.solution": "Solution",
    "kinetix.solver": "Solver",
    "kinetix.app.advice": "advise",
    "kinetix.app.passages": "first_passage",
    "kinetix.app.scans": "scan sensitivities",
    "kinetix.app.trust": "calibrate compare_models find_mode fisher infer_many",
    "kinetix.app.verbs": "load parse solve compare infer general open",
    "kinetix.solvers.ssa": "SSA",
    "kinetix.solvers.tau_leaping": "TauLeaping",
    "kinetix.solvers.fsp": "FSP",
    "kinetix.solvers.mean_field": "MeanField",
    "kinetix.solvers.linear_noise": "LinearNoise",
    "kinetix.solvers.general_model": "General",
    "kinetix.solvers.van": "VAN",
    "kinetix.solvers.met": "MET",
    "kinetix.inference.data.measurement": "Measurement",
    "kinetix.inference.observations": "Observations",
    "kinetix.inference.posterior": "Posterior",
    "kinetix.inference.time_courses": "TimeCourses",
}
_NAMES = {name: home for home, names in _HOMES.items() for name in names.split()}
_MODULES = {"prior": "kinetix.inference.priors"}

__all__ = [*sorted(_NAMES), *_MODULES]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    if name in _MODULES:
        value: object = _import_module(_MODULES[name])
    elif name in _NAMES:
        value = getattr(_import_module(_NAMES[name]), name)
    else:
        raise AttributeError(f"module 'kinetix' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
