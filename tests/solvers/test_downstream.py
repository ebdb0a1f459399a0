"""Species downstream: which they are, where their molecules are at any age, their laws given histories."""

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import poisson

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.errors import RunError
from kinetix.solvers.nets.downstream import Downstream
from kinetix.solvers.nets.histories import draw_histories
from tests import exact

TWO_GENES = """
model two_genes
  species G = 1, H = 0, M = 0, N = 0, P = 0
  -> G; a*(1 - G)
  G -> ; b*G
  -> H; c*(1 - H)
  H -> ; d*H
  G -> G + M; 9*G
  H -> H + N; e*H
  -> N; 0.5
  M -> P; f*M
  N -> P; f*N
  P -> N; 0.3*P
  P -> ; 2*P
  a = 1; b = 0.7; c = 0.4; d = 0.9; e = 6; f = 1.5
end
"""


def split(network):
    model = compile_network(network)
    return Downstream.of(model, [s for s, n in enumerate(model.initial) if n == 0])


def names(network):
    return [network.species_names[s] for s in split(network).species]


def gene(*lines, start=0):
    """A gene that makes M, with more species and lines."""
    text = ["model gene", f"  species G = 1, M = {start}, X = 0", "  -> G; a*(1 - G)", "  G -> ; a*G", *lines]
    return kx.parse("\n".join([*text, "  a = 1; c = 2", "end"]))


def test_what_is_downstream():
    """Messengers of a gene, all of a cascade, the last product of a loop's genes; nothing that acts back."""
    assert names(exact.telegraph()) == ["M"]
    assert names(exact.cascade(4)) == ["X1", "X2", "X3", "X4"]
    assert names(exact.gene_expression()) == ["p"]  # the messenger is upstream of the protein that reads it
    assert names(kx.parse(TWO_GENES)) == ["M", "N", "P"]
    assert names(exact.autoregulation()) == names(exact.toggle_switch()) == []


MAKE, DECAY, TURN = "  G -> G + M; c*G", "  M -> ; c*M", "  M -> X; c*M"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([MAKE, DECAY], ["M", "X"]),
        ([MAKE, TURN, "  X -> ; X"], ["M", "X"]),
        (["  G -> G + 2 M; c*G", TURN], []),  # bursts are no Poisson process, and their molecules turn into X
        (["  G -> M; c*G", DECAY], ["X"]),  # made when the gene changes
        ([MAKE, "  M -> ; c*M/(1 + M)"], ["X"]),  # decays not on their own
        ([MAKE, "  M -> ; c*M*G"], ["X"]),  # nor at a constant rate
        ([MAKE, "  M -> 2 X; c*M"], []),  # in pairs
        ([MAKE, TURN, "  X + M -> M; c*X*M"], []),  # M decays alone, but X reads it and is read with it
        ([MAKE, "  M -> ; c*M + 1"], ["X"]),  # decays with none there
        ([MAKE, "  M -> ; c*M*(1 + sin(time))"], []),  # a law of the time
        (["  G -> G + M; c*G*(1 + M)", DECAY], ["X"]),  # makes itself
        ([MAKE, DECAY, "  G + M -> M; a*G*M"], ["X"]),  # acts back
    ],
)
def test_what_is_not(lines, found):
    """Mutants: bursts let through; the slope not asked to be constant; a gene that changes with them let through."""
    assert names(gene(*lines)) == found


def test_what_starts_with_molecules_is_upstream_with_all_that_they_turn_into():
    """Molecules at the start are no Poisson variable. Mutant: the start not asked for."""
    assert names(gene(MAKE, TURN, "  X -> ; X", start=3)) == []


def test_ages_of_two_stages_with_equal_rates():
    """The generator has no full set of eigenvectors there. Mutants: steps of an octave not doubled; linear between."""
    found = split(exact.cascade(2))
    model, times = found.model, np.array([3.0, 0.2])
    ages = found.ages(np.tile(model.theta, (2, 1)), times)
    rng = np.random.default_rng(0)
    problem, share = rng.integers(0, 2, 300), np.concatenate([rng.random(150), 2.0 ** -rng.uniform(0, 20, 150)])
    spent = ages(problem, share)[..., 0]
    generator = np.zeros((3, 3))
    at_one = model.propensities(np.eye(2), model.theta) - model.propensities([0, 0], model.theta)
    generator[:2, :2] = (at_one @ model.change).T
    generator[0, 2] = 1.0
    for k in range(300):
        expected = expm(generator * times[problem[k]] * share[k])[:2, 2]
        np.testing.assert_allclose(spent[k], expected, rtol=1e-6, atol=1e-12)


def test_a_law_is_the_mean_over_histories_of_poisson_laws():
    """The joint law of a telegraph gene, state by state within 5 standard errors of the exact one; two rate vectors.

    Mutants: the inflow before an event taken for that after it; ages from the start of time; the first inflow left out.
    """
    model = compile_network(exact.telegraph(gene=1))
    thetas = np.stack([model.theta, model.theta * [3.0, 0.5, 0.4, 2.0]])
    times, number = np.array([0.7, 2.0]), 20_000
    found = Downstream.of(model, [1])
    counts, means = draw_histories(
        found, thetas, np.tile(model.initial, (2, 1)), times, number, np.random.default_rng(4)
    )
    assert counts.shape == (2, number, 2)
    assert not counts[..., 1].any()
    for k in range(2):
        here = model.network.replace(parameters=dict(zip(model.network.theta_names, thetas[k].tolist(), strict=True)))
        law = exact.dense_law(compile_network(here), [1, 60], times[k])
        for g in (0, 1):
            for m in (0, 1, 3, 6, 12):
                each = (counts[k, :, 0] == g) * poisson.pmf(m, means[k, :, 0])
                error = each.std() / np.sqrt(number)
                assert abs(each.mean() - law[g, m]) <= 5 * error + 1e-9


def test_two_genes_and_a_way_back():
    """Several kinds of molecules made, moves in a circle: means by the linear equation, within 5 standard errors.

    Mutants: all inflows to one kind; the way back left out.
    """
    network = kx.parse(TWO_GENES)
    model, found = compile_network(network), split(network)
    number, until = 4000, 2.5
    counts, means = draw_histories(
        found, model.theta[None], model.initial[None], np.array([until]), number, np.random.default_rng(9)
    )
    expected = kx.solve(network, [until], solver="mean-field").mean()[0]
    own = np.concatenate([counts[0][:, :2], means[0]], axis=1)
    np.testing.assert_array_less(np.abs(own.mean(axis=0) - expected), 5 * own.std(axis=0) / np.sqrt(number))


def test_with_nothing_upstream_there_is_one_history():
    """A cascade's law is a product of Poisson laws: the same means at every draw, those of the linear equation."""
    network = exact.cascade(5)
    model = compile_network(network)
    _, means = draw_histories(
        split(network), model.theta[None], model.initial[None], np.array([1.5]), 3, np.random.default_rng(0)
    )
    expected = kx.solve(network, [1.5], solver="mean-field").mean()[0]
    np.testing.assert_allclose(means[0], np.tile(expected, (3, 1)), rtol=1e-6)


def test_a_law_that_turns_negative_is_refused():
    """A second gene copy makes kon*(1 - Gu) negative. Mutant: no look at the rates, and a history without an end."""
    model = compile_network(exact.telegraph(gene=2))
    with pytest.raises(RunError, match=r"Gu = 2\): the propensity of reaction 'on' is -0.5"):
        draw_histories(
            Downstream.of(model, [1]),
            model.theta[None], model.initial[None], np.array([1.0]), 2, np.random.default_rng(0),
        )  # fmt: skip


def test_a_count_below_zero_is_refused():
    """A gene that is lost at a rate that does not ask for it. Mutant: no look at the counts."""
    network = kx.parse("model m; species G = 1, M = 0; G -> ; 5; -> G; 0.1; G -> G + M; 2; M -> ; M; end")
    model = compile_network(network)
    with pytest.raises(RunError, match=r"would make a count negative.*KX108"):
        draw_histories(
            Downstream.of(model, [1]), model.theta[None], model.initial[None], np.ones(1), 9, np.random.default_rng(0)
        )


def test_rates_of_zero():
    """No inflow and no move: nothing is made, and no history ends in a NaN."""
    model = compile_network(exact.telegraph(gene=1))
    thetas = np.array([[0.0, 0.0, 5.0, 0.0], [1.0, 1.0, 0.0, 1.0]])
    _, means = draw_histories(
        Downstream.of(model, [1]), thetas, np.tile(model.initial, (2, 1)), np.full(2, 2.0), 4, np.random.default_rng(1)
    )
    np.testing.assert_allclose(means[0], 10.0, rtol=1e-9)
    np.testing.assert_array_equal(means[1], 0.0)
