"""Pictures of posteriors: figures that any name survives, with what was asked for in them."""

import io
from dataclasses import replace

import numpy as np
import pytest

import kinetix as kx
from kinetix.errors import SettingError
from kinetix.expressions import symbol
from kinetix.inference.posterior import Posterior
from kinetix.inference.posteriors.plots import pairs

NAMES = ("transcription_rate_of_gene_A", "kon", "$\\frac{", "kd", "a", "b", "c", "d")


def posterior(names=NAMES, *, weights=False):
    rng = np.random.default_rng(0)
    draws = np.exp(rng.normal(size=(4, 300, len(names))) * np.where(np.arange(len(names)) % 2, 1.0, 0.1))
    law = sum((symbol(n) for n in names), start=symbol("spare"))
    network = kx.ReactionNetwork(
        [kx.Species("X")],
        [kx.Parameter(n, 1.0) for n in (*names, "spare")],
        [kx.Reaction("birth", {}, {"X": 1}, law)],
    )
    data = kx.Observations.from_counts("X", np.ones(20), rng.poisson(3, 20))
    found = Posterior(
        names, draws, np.zeros((4, 300)), {n: kx.prior.log_uniform(1e-3, 1e3) for n in names}, data, network
    )
    return replace(found, weights=draws[:, :, 0] ** 10, gate={"corrected": True}) if weights else found


def texts(figure):
    figure.savefig(io.BytesIO(), format="png", dpi=30)
    legend = [t.get_text() for box in figure.legends for t in box.get_texts()]
    return legend, [a.get_xlabel() for a in figure.axes if a.get_xlabel()]


def test_pairs_show_names_truth_and_what_the_weights_changed():
    """Mutant: the weighted draws drawn as the dashed ones."""
    found = posterior(NAMES[:4], weights=True)
    figure = found.plot_pairs({"kon": 2.0, "spare": 1.0})
    legend, names = texts(figure)
    assert legend == ["posterior", "before the exact stage", "prior", "true value"]
    assert names[0] == "transcription_\nrate_of_gene_A"
    assert names[1:] == ["kon", "$\\frac{", "kd"]
    solid, dashed = figure.axes[0].lines[:2]
    centre = [np.average(line.get_xdata(), weights=line.get_ydata()) for line in (solid, dashed)]
    assert centre[0] == pytest.approx(found.mean()[0], rel=0.01)
    assert centre[1] == pytest.approx(found.uncorrected().mean()[0], rel=0.01)
    assert (solid.get_linestyle(), dashed.get_linestyle()) == ("-", "--")


def test_the_regions_hold_what_they_say():
    """Two independent normals: the outer line of 90 % has radius 2.15. Mutant: levels by height, not by mass."""
    from matplotlib.path import Path

    rng = np.random.default_rng(2)
    found = replace(
        posterior(("a", "b")), draws=rng.normal(10, 1, (4, 4000, 2)), log_density=np.zeros((4, 4000)), prior=NORMAL
    )
    panel = pairs(found).axes[2]
    lines = panel.collections[-1].get_paths()
    for line, share in zip(lines, (0.9, 0.5), strict=True):
        inside = Path(line.vertices).contains_points(found.flat).mean()
        assert inside == pytest.approx(share, abs=0.03)  # bins and their smoothing widen it a little


NORMAL = {"a": kx.prior.uniform(0, 20), "b": kx.prior.uniform(0, 20)}


def test_nothing_is_drawn_beyond_the_ends_of_a_prior():
    """Few draws that fill their priors. Mutants seen to fail: smoothing carries them out, in marginals or regions."""
    filled = np.random.default_rng(3).uniform(0, 20, (4, 100, 2))
    rest = {"log_density": np.zeros((4, 100)), "prior": NORMAL, "diagnostics": {}}
    grid = pairs(replace(posterior(("a", "b")), draws=filled, **rest)).axes
    x, mass = grid[0].lines[0].get_data()
    assert x[0] < 0
    assert x[-1] > 20
    assert mass[[0, -1]].tolist() == [0, 0]
    assert mass[len(mass) // 2] > 0
    ends = np.concatenate([path.vertices for path in grid[2].collections[-1].get_paths()])
    width = np.diff(x)[0]  # contours pass between the middles of bins
    assert ends.min() > -width
    assert ends.max() < 20 + width


def test_a_true_value_far_away_is_still_seen():
    axes = posterior(("a", "b")).plot_pairs({"a": 50.0}).axes[0]
    assert axes.get_xlim()[1] >= 50


def test_rates_over_decades_have_logarithmic_axes_and_others_not():
    grid = posterior(("a", "b")).plot_pairs().axes
    assert grid[0].get_xscale() == "linear"
    assert grid[3].get_xscale() == "log"


def test_six_of_many_parameters_are_shown_and_it_says_so():
    legend, names = texts(posterior().plot_pairs())
    assert legend[0] == "posterior (6 of 8 parameters)"
    assert len(names) == 6
    assert texts(posterior().plot_pairs(names=["d", "kon"]))[1] == ["d", "kon"]


def test_a_constant_parameter_and_a_single_one_can_be_drawn():
    one = posterior(("a",))
    texts(one.plot_pairs())
    texts(replace(one, draws=np.ones((4, 300, 1))).plot_pairs())
    two = posterior(("a", "b"))
    texts(replace(two, draws=two.draws * [1, 0] + [0, 1]).plot_pairs())
    texts(replace(two, draws=two.draws * [1, 0] + [0, 1]).plot_trace())


def test_traces_show_a_chain_that_stands_apart():
    """Mutant: ranks within each chain, which are level whatever the chains do."""
    found = posterior(("a", "b"))
    shifted = replace(found, draws=found.draws + np.array([0, 0, 0, 1.0])[:, None, None])
    legend, _ = texts(shifted.plot_trace())
    assert legend == [f"chain {c}" for c in range(1, 5)]
    ranks = [patch.get_data().values for patch in shifted.plot_trace().axes[1].patches]
    assert ranks[3][-1] > 3
    assert ranks[0][-1] < 0.1
    assert np.ptp(np.concatenate([p.get_data().values for p in found.plot_trace().axes[1].patches])) < 2


@pytest.mark.parametrize("call", [lambda p: p.plot_pairs({"kno": 1.0}), lambda p: p.plot_trace(names=["kno"])])
def test_unknown_names_are_refused_with_the_near_one(call):
    with pytest.raises(SettingError, match="did you mean 'kon'"):
        call(posterior())
