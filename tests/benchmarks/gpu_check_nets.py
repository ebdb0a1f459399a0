"""The nets' part of the GPU check: the same training, weighing and drawing on a device and on the CPU.

Both sides start from the same weights and lessons. Stated tolerances of float32, whose sums a GPU takes in another
order: losses of a few steps `LOSS`, log-probabilities of the same weights `STATED`, derivatives of these `SLOPE`
(each relative to 1 + the number itself); means of draws within `ERRORS` standard errors.
"""

import platform
import time
from contextlib import nullcontext
from dataclasses import dataclass
from unittest import mock

import numpy as np
import torch

from kinetix.compiler import compile_network
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.met import MET
from kinetix.solvers.nets import decoder, path_lessons
from kinetix.solvers.nets.box import Box
from kinetix.solvers.nets.budget import Budget
from kinetix.solvers.nets.exact_lessons import ExactLessons
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.learning import Settings
from kinetix.solvers.nets.path_lessons import PathLessons
from kinetix.solvers.nets.path_teacher import PathTeacher
from kinetix.solvers.nets.teachers import Course, Plan
from kinetix.solvers.nets.trained import device_of
from kinetix.solvers.nets.trained_met import TrainedMET
from kinetix.solvers.nets.trained_van import make_net, subjects_of
from kinetix.solvers.nets.training import seeded, threads, train
from kinetix.solvers.van import VAN
from kinetix.space import StateSpace
from tests import exact

LOSS, STATED, SLOPE, ERRORS = 1e-3, 1e-4, 1e-3, 5.0
"""Tolerances, see above."""
SMALL = exact.autoregulation, (1, 60), {"ru": (4.0, 12.0), "su": (0.5, 1.5)}
LARGE = exact.toggle_switch, (1, 1, 63, 63), {}
GENE = exact.autoregulation, (1, 169), {"ru": (4.0, 12.0), "su": (0.5, 1.5)}
"""Network, upper counts of the window, box (here: half and twice every rate where it is empty)."""
UNTIL = 1.0


@dataclass(frozen=True)
class Work:
    """How much a case does: steps of training before and in the timed stretch, states drawn and weighed."""

    warm: int = 3
    steps: int = 20
    states: int = 65_536

    @classmethod
    def of(cls, quick: bool) -> "Work":
        return cls(2, 4, 2_000) if quick else cls()


class Recorder:
    """A teacher that notes the losses it gave, and when its step `warm` began."""

    def __init__(self, teacher, warm, where):
        self.teacher, self.warm, self.where, self.losses, self.began = teacher, warm, where, [], 0.0

    def loss(self, net, rng, generator, step):
        """That of the teacher."""
        if step == self.warm:
            wait(self.where)
            self.began = time.perf_counter()
        loss, facts = self.teacher.loss(net, rng, generator, step)
        self.losses.append(float(loss.detach()))
        return loss, facts

    def state(self):
        """Nothing is saved here."""
        return {}

    def restore(self, state):
        """Nor read back."""


def van(device: str, *, quick: bool = False) -> dict[str, object]:
    """A VAN of each kind on `device` against the CPU: numbers for JSON."""
    make, upper, _ = SMALL if quick else LARGE
    kinds = {kind: VAN(net=kind, width=16 if quick else 64) for kind in ("recurrent", "transformer")}
    return _judged(device, {name: lambda where, how=how: _van(how, make, upper, where, quick) for name, how in
                            kinds.items()}, quick)  # fmt: skip


def _van(how, make, upper, where, quick):
    """Net, teacher, a context and no solver."""
    subjects, layout = subjects_of(make(), (0.0, UNTIL)), Layout.of(StateSpace.box(upper))
    with seeded(1):
        net = make_net(how, layout, subjects.clock).to(where)
    teacher = PathTeacher(subjects, layout, 2, paths=64 if quick else 1024, points=4 if quick else 16)
    return net, teacher, subjects.clock_features(np.array([0.7 * UNTIL]))[0], None


def met(device: str, *, quick: bool = False) -> dict[str, object]:
    """A MET of each decoder, from exact laws and from trajectories, on `device` against the CPU: numbers for JSON."""
    cases = {
        f"{kind}, {source}": (lambda where, kind=kind, source=source: _met(kind, source, where, quick))
        for kind in ("film", "attention")
        for source in ("exact laws", "trajectories")
    }
    return _judged(device, cases, quick)


def _met(kind, source, where, quick):
    """Net, teacher, a context and the solver that the net becomes."""
    make, upper, bounds = SMALL if quick else GENE if source == "exact laws" else LARGE
    network, settings = make(), MET(decoder=kind, width=16 if quick else 128, layers=1 if quick else 3)
    model = compile_network(network)
    bounds = bounds or {n: (v / 2, 2 * v) for n, v in zip(network.theta_names, model.theta.tolist(), strict=True)}
    box, layout = Box.of(network, bounds, (0.0, UNTIL)), Layout.of(StateSpace.box(upper))
    with seeded(1):
        net = decoder.make_net(settings.shape, layout, box.encoding).to(where)
    course = Course(model, box, layout, 2, device=where)
    plan = Plan(contexts=16, first=8, batch=8) if quick else Plan()
    few = {"VECTORS": 8, "TIMES": 3} if quick else {}
    with mock.patch.multiple(path_lessons, **few) if few else nullcontext():
        lessons = ExactLessons(course, plan, FSP()) if source == "exact laws" else PathLessons(course, plan)
    features = box.encoding.encode(model.theta, model.initial, 0.7 * UNTIL).astype(np.float32)
    return net, lessons, torch.from_numpy(features), TrainedMET(box, net, settings, 0)


def _judged(device, cases, quick):
    where, work = device_of(device), Work.of(quick)
    with threads(torch.get_num_threads()):
        rows = {name: _case(make, where, work) for name, make in cases.items()}
    return {
        "device": name_of(where),
        "torch": torch.__version__,
        "cpu_threads": torch.get_num_threads(),
        "tolerances": {"loss": LOSS, "log_prob": STATED, "slope": SLOPE, "standard_errors": ERRORS},
        "agrees": all(row["agrees"] for row in rows.values()),
        "cases": rows,
    }


def _case(make, where, work):
    """One net on both sides."""
    cpu = torch.device("cpu")
    (ours, teacher, context, solver), (theirs, other, _, its) = make(cpu), make(where)
    ours_losses, ours_speed = _trained(ours, teacher, cpu, work)
    its_losses, its_speed = _trained(theirs, other, where, work)
    theirs.load_state_dict(ours.state_dict())
    drawn, drawing = _drawn(ours, context, cpu, work)
    its_drawn, its_drawing = _drawn(theirs, context, where, work)
    stated, weighing = _weighed(ours, context, drawn, cpu)
    its_stated, its_weighing = _weighed(theirs, context, drawn, where)
    spread = np.sqrt((drawn.var(axis=0) + its_drawn.var(axis=0)) / len(drawn)) + 1e-9
    found = {
        "losses": [float(ours_losses[0]), float(ours_losses[-1])],
        "loss_apart": apart(ours_losses, its_losses),
        "log_prob_apart": apart(stated, its_stated),
        "standard_errors_apart": float(np.abs((drawn.mean(axis=0) - its_drawn.mean(axis=0)) / spread).max()),
        "slope_apart": 0.0 if solver is None else apart(_slopes(solver, drawn[:64]), _slopes(its, drawn[:64])),
    }
    agrees = found["loss_apart"] <= LOSS and found["log_prob_apart"] <= STATED and found["slope_apart"] <= SLOPE
    speeds = zip(("cpu", "device"), ((ours_speed, drawing, weighing), (its_speed, its_drawing, its_weighing)),
                 strict=True)  # fmt: skip
    return {
        **found,
        "agrees": agrees and found["standard_errors_apart"] <= ERRORS,
        **{side: dict(zip(("steps_per_second", "states_per_second", "tokens_per_second"), map(float, rates),
                          strict=True)) for side, rates in speeds},
    }  # fmt: skip


def _trained(net, teacher, where, work):
    """The losses of the steps, and steps a second after the warm ones (new lessons included)."""
    noted = Recorder(teacher, work.warm, where)
    how = Settings(rate=1e-3, warmup=0.0, threads=torch.get_num_threads())
    train(net, noted, Budget(steps=work.warm + work.steps), rng=np.random.default_rng(3), settings=how)
    wait(where)
    return np.array(noted.losses[: 2 * work.warm]), work.steps / (time.perf_counter() - noted.began)


def _drawn(net, context, where, work):
    """States [n, D] at one context, and states a second."""
    generator, contexts = torch.Generator(where).manual_seed(4), context.to(where).expand(work.states, -1)
    net.sample(contexts[:64], generator=generator)
    drawn, seconds = timed(lambda: net.sample(contexts, generator=generator), where)
    return drawn.cpu().numpy(), work.states / seconds


def _weighed(net, context, states, where):
    """Log-probabilities of the states, and tokens (counts) a second."""
    values, prompt = torch.from_numpy(states).to(where), context.to(where)
    with torch.no_grad():
        net.log_prob(prompt[None], values[None, :64])
        stated, seconds = timed(
            lambda: torch.cat([net.log_prob(prompt[None], part[None])[0] for part in torch.split(values, 4096)]), where
        )
    return stated.cpu().numpy(), states.size / seconds


def _slopes(solver, values):
    """Derivatives of log-probabilities by the rates, by the way that samplers take."""
    rows = solver.net.layout.counts(values)
    problem = Problem.of(solver.network, [0.7 * UNTIL])
    varied = list(solver.domain.encoding.parameters)
    axes = range(rows.shape[1])
    return solver.log_prob_gradient_batch(problem, problem.theta[None], [rows], axes, varied)[1][0]


def apart(a, b) -> float:
    """The largest difference relative to 1 + the number itself."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return float((np.abs(a - b) / (1 + np.abs(a))).max())


def timed(call, where):
    """What a call returns, and the seconds until the device has done it."""
    wait(where)
    began = time.perf_counter()
    found = call()
    wait(where)
    return found, time.perf_counter() - began


def wait(where: torch.device) -> None:
    """Until the device has done what it was given."""
    if where.type == "cuda":
        torch.cuda.synchronize(where)


def name_of(where: torch.device) -> str:
    """The name of a GPU, or the kind of device and machine."""
    return torch.cuda.get_device_name(where) if where.type == "cuda" else f"{where.type} of {platform.machine()}"
