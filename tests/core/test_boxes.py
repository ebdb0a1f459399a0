"""The boxes of the zoo: files that `kinetix train --box` reads, and the held-out problems drawn over them."""

import re
import shlex

import numpy as np
import pytest

import kinetix as kx
from kinetix.app.tables import read_box, read_priors
from tests.benchmarks.contexts import BOXES, EXAMPLES, INTERVALS, SUFFIX, contexts, system
from tests.exact import ROOT

HALF_TO_TWICE = ("cascade15", "mrna_turnover", "feed_forward_loop", "mapk16")
SWITCHING = {"kon": (0.3, 5), "koff": (0.3, 5), "ksyn": (200, 3500)}
LOGARITHMIC = {
    "toggle_switch": {"bind": (2e-5, 1e-3), "unbind": (0.05, 0.5)},
    "telegraph": SWITCHING,
    "bursting": SWITCHING,
}
EVEN = {
    "birth_death_fast": {"birth": (1, 20), "death": (0.1, 1)},
    "autoregulation": {"sigma_u": (0, 2), "sigma_b": (0, 0.1), "rho_u": (0, 10), "rho_b": (0, 100)},
    "toggle_switch": {"syn_x": (10, 45), "syn_y": (10, 45)},
}
STARTS = {"birth_death_fast": {"X": (0, 19)}, "autoregulation": {"Gu": (0, 1), "P": (0, 50)}}


def bounds(name: str) -> dict[bool, dict[str, tuple[float, float]]]:
    """By whether it is logarithmic: name -> (low, high)."""
    found: dict[bool, dict[str, tuple[float, float]]] = {False: {}, True: {}}
    for key, value in system(name)[1].items():
        plain = isinstance(value, tuple)
        found[not plain and value.log_scale][key] = value if plain else value.bounds()
    return found


def test_every_box_is_there() -> None:
    assert {p.name for p in BOXES.iterdir()} == {f"{name}.toml" for name in INTERVALS}


@pytest.mark.parametrize("name", INTERVALS)
def test_a_box_is_that_of_the_literature(name: str) -> None:
    plain, found = name.removesuffix(SUFFIX), bounds(name)
    if plain in HALF_TO_TWICE:
        values = {p.name: p.value for p in system(name)[0].parameters}
        assert not found[False]
        assert found[True].keys() == values.keys()
        assert all(np.allclose(found[True][k], (v / 2, 2 * v), rtol=1e-12) for k, v in values.items())
    else:
        starts = STARTS[plain] if name.endswith(SUFFIX) else {}
        assert found[False] == EVEN.get(plain, {}) | starts
        assert found[True] == LOGARITHMIC.get(plain, {})


@pytest.mark.parametrize("name", INTERVALS)
def test_a_file_says_its_command(name: str) -> None:
    """The command in a file names that file, its model and the interval of times."""
    path = BOXES / f"{name}.toml"
    (command,) = re.findall(r"^# kinetix train (.+)$", path.read_text(), re.MULTILINE)
    model, *options = shlex.split(command)
    told = dict(zip(options[::2], options[1::2], strict=True))
    assert ROOT / model == EXAMPLES / "models" / f"{name.removesuffix(SUFFIX)}.xml"
    assert ROOT / told["--box"] == path
    assert (float(told.get("--from", 0)), float(told["--until"])) == INTERVALS[name]
    assert (read_priors(path) if "[prior]" in path.read_text() else read_box(path)).keys() == read_box(path).keys()


@pytest.mark.parametrize("name", INTERVALS)
def test_held_out_problems_fill_their_box(name: str) -> None:
    """Means of the scaled rates, counts and times lie where uniform laws put them: |z| < 5 at 1000 problems.

    Mutants seen to fail: log_uniform written uniform; the lower end of the late times at T/20.
    """
    drawn, found = contexts(name, 1000), bounds(name)
    network, (since, until) = drawn.network, drawn.interval
    places = {n: drawn.thetas[:, i] for i, n in enumerate(network.theta_names)}
    places |= {n: drawn.starts[:, i] for i, n in enumerate(network.species_names)}
    even = (2 * np.sqrt(3 * 1000)) ** -1 * 5
    for logarithmic, sides in found.items():
        for key, (low, high) in sides.items():
            scale = np.log if logarithmic else (lambda v: v)
            share = (scale(places[key]) - scale(low)) / (scale(high) - scale(low))
            assert -1e-12 <= share.min() <= share.max() <= 1 + 1e-12
            assert abs(share.mean() - 0.5) < (even if key in network.theta_names else 2 * even)
    frozen = [n for n in places if n not in found[False] | found[True]]
    own = {p.name: p.value for p in network.parameters} | {s.name: s.initial for s in network.species}
    assert all((places[n] == own[n]).all() for n in frozen)
    if since == until:
        assert (drawn.times == until).all()
        return
    assert 0 < drawn.times.min() <= drawn.times.max() <= until
    uniform, logarithmic = drawn.times[::2] / until, 1 + np.log(drawn.times[1::2] / until) / np.log(200)
    for share in (uniform, logarithmic):
        assert 0 <= share.min() <= share.max() <= 1
        assert abs(share.mean() - 0.5) < even * np.sqrt(2)


def test_problems_are_the_same_every_time() -> None:
    one, same, other = (
        contexts("autoregulation", 5),
        contexts("autoregulation", 5),
        contexts("autoregulation", 5, seed=1),
    )
    assert np.array_equal(one.thetas, same.thetas)
    assert not np.array_equal(one.thetas, other.thetas)
    problem = contexts("autoregulation_starts", 5).problem(2)
    assert np.array_equal(problem.theta, contexts("autoregulation_starts", 5).thetas[2])
    assert kx.FSP().solve(problem).times.tolist() == problem.times.tolist()
