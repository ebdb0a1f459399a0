from kinetix.app.advice import advise as advise
from kinetix.app.passages import first_passage as first_passage
from kinetix.app.scans import scan as scan
from kinetix.app.scans import sensitivities as sensitivities
from kinetix.app.trust import calibrate as calibrate
from kinetix.app.trust import compare_models as compare_models
from kinetix.app.trust import find_mode as find_mode
from kinetix.app.trust import fisher as fisher
from kinetix.app.trust import infer_many as infer_many
from kinetix.app.verbs import compare as compare
from kinetix.app.verbs import general as general
from kinetix.app.verbs import infer as infer
from kinetix.app.verbs import load as load
from kinetix.app.verbs import open as open  # noqa: A004
from kinetix.app.verbs import parse as parse
from kinetix.app.verbs import solve as solve
from kinetix.compiler import CompiledModel as CompiledModel
from kinetix.compiler import compile_network as compile_network
from kinetix.errors import CheckpointError as CheckpointError
from kinetix.errors import DataError as DataError
from kinetix.errors import KinetixError as KinetixError
from kinetix.errors import LockedError as LockedError
from kinetix.errors import ModelError as ModelError
from kinetix.errors import RunError as RunError
from kinetix.errors import SettingError as SettingError
from kinetix.errors import TruncationError as TruncationError
from kinetix.errors import UnsupportedFeature as UnsupportedFeature
from kinetix.events import Event as Event
from kinetix.inference import priors as prior
from kinetix.inference.data.measurement import Measurement as Measurement
from kinetix.inference.observations import Observations as Observations
from kinetix.inference.posterior import Posterior as Posterior
from kinetix.inference.time_courses import TimeCourses as TimeCourses
from kinetix.network import Parameter as Parameter
from kinetix.network import Reaction as Reaction
from kinetix.network import ReactionNetwork as ReactionNetwork
from kinetix.network import Species as Species
from kinetix.network import mass_action as mass_action
from kinetix.problem import Problem as Problem
from kinetix.solution import Solution as Solution
from kinetix.solver import Solver as Solver
from kinetix.solvers.fsp import FSP as FSP
from kinetix.solvers.general_model import General as General
from kinetix.solvers.linear_noise import LinearNoise as LinearNoise
from kinetix.solvers.mean_field import MeanField as MeanField
from kinetix.solvers.met import MET as MET
from kinetix.solvers.ssa import SSA as SSA
from kinetix.solvers.tau_leaping import TauLeaping as TauLeaping
from kinetix.solvers.van import VAN as VAN

__version__: str

__all__ = [
    "FSP",
    "MET",
    "SSA",
    "VAN",
    "CheckpointError",
    "CompiledModel",
    "DataError",
    "Event",
    "General",
    "KinetixError",
    "LinearNoise",
    "LockedError",
    "MeanField",
    "Measurement",
    "ModelError",
    "Observations",
    "Parameter",
    "Posterior",
    "Problem",
    "Reaction",
    "ReactionNetwork",
    "RunError",
    "SettingError",
    "Solution",
    "Solver",
    "Species",
    "TauLeaping",
    "TimeCourses",
    "TruncationError",
    "UnsupportedFeature",
    "advise",
    "calibrate",
    "compare",
    "compare_models",
    "compile_network",
    "find_mode",
    "first_passage",
    "fisher",
    "general",
    "infer",
    "infer_many",
    "load",
    "mass_action",
    "open",
    "parse",
    "prior",
    "scan",
    "sensitivities",
    "solve",
]
