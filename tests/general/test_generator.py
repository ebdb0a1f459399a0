"""Random networks: of the family, connected, in range, alive, as documented; never a structure of the panels."""

import networkx as nx
import numpy as np
import pytest
import scipy.stats

import kinetix as kx
from kinetix.solvers.general.canonical import held_out, signature
from kinetix.solvers.general.drafts import Dice, Draft
from kinetix.solvers.general.family import LARGEST_CHANGE, REACTIONS, SPECIES
from kinetix.solvers.general.generator import (
    COUNTS127,
    COUNTS220,
    HARD,
    LARGE,
    MOST_EVENTS,
    REGULATED,
    REGULATION,
    SMALL,
    Panel,
    Tally,
    _structure,
    assembled,
    draw,
    shuffled,
)
from kinetix.solvers.general.paths import simulate
from kinetix.solvers.general.scales import scaled

PANELS = {"small": SMALL, "large": LARGE, "hard": HARD, "counts127": COUNTS127, "counts220": COUNTS220}
PANELS["regulated"] = REGULATED


@pytest.fixture(scope="module")
def drawn():
    """400 networks of each panel."""
    return {name: draw(np.random.default_rng(k), 400, panel) for k, (name, panel) in enumerate(PANELS.items())}


def reactions_of(batch, n):
    """(factors, changes that are not 0) of the reactions of one network."""
    for r in range(batch.reactions[n]):
        moved = {s: int(c) for s, c in enumerate(batch.change[n, r]) if c}
        yield sorted(s for s in batch.reactants[n, r].tolist() if s < SPECIES), moved


def regulators_of(batch, n):
    """(species of a factor that rises, of one that falls), lists of one or none, of the reactions of one network."""
    for s, power in list(zip(batch.regulators[n].tolist(), batch.powers[n], strict=True))[: batch.reactions[n]]:
        yield [s] * int(power > 0), [s] * int(power < 0)


def conserved(batch, n, a, b):
    return not (batch.change[n, :, a] + batch.change[n, :, b]).any()


def is_enzymatic(batch, n):
    """E + S -> C and C -> E + P, by trying every choice of species."""
    pairs = list(reactions_of(batch, n))
    return any(
        moved == {e: -1, s: -1, c: 1} and other == {c: -1, e: 1, p: 1} and p != s
        for _, moved in pairs
        for _, other in pairs
        for c in moved
        for e in moved
        for s in moved
        for p in other
        if len({c, e, s, p}) == 4
    )


def is_mutual(batch, n):
    """Genes (g, h) and (k, l) with g + q -> h, k + p -> l, one that makes p and the other q, by trying every choice."""
    pairs = list(reactions_of(batch, n))
    binds = [
        (g, h, q)
        for factors, moved in pairs
        for g in factors
        for h in range(SPECIES)
        for q in factors
        if len({g, h, q}) == 3 and conserved(batch, n, g, h) and moved in ({g: -1, h: 1}, {g: -1, h: 1, q: -1})
    ]

    def makes(g, h, p):
        return any({g, h} & set(f) and moved.get(p, 0) > 0 and not {g, h} & set(moved) for f, moved in pairs)

    return any(
        len({g, h, k, m}) == 4 and p != q and makes(g, h, p) and makes(k, m, q)
        for g, h, q in binds
        for k, m, p in binds
    )


@pytest.mark.parametrize("name", PANELS)
def test_networks_belong_to_their_panel(drawn, name):
    """Mutants seen to fail: more own species than asked; reactions drawn twice; species apart; padding first."""
    batch, panel = drawn[name], PANELS[name]
    assert len(batch) == 400
    assert (batch.reactions <= panel.reactions).all()
    assert (batch.species >= panel.species[0]).all()
    assert np.abs(batch.change).max() <= LARGEST_CHANGE
    real = np.arange(REACTIONS) < batch.reactions[:, None]
    assert (batch.rates[real] > 0).all()
    assert not batch.rates[~real].any()
    assert not batch.change[~real].any()
    assert (batch.reactants[~real] == SPECIES).all()
    assert (batch.reactants[..., 0] <= batch.reactants[..., 1]).all()
    for n in range(400):
        found = [(*pair, *read) for pair, read in zip(reactions_of(batch, n), regulators_of(batch, n), strict=True)]
        assert len({str(reaction) for reaction in found}) == len(found)
        together = nx.Graph()
        together.add_nodes_from(range(batch.species[n]))
        for factors, moved, rising, falling in found:
            assert all((factors + rising).count(s) + c >= 0 for s, c in moved.items())
            nx.add_path(together, [*factors, *rising, *falling, *moved])
        assert nx.is_connected(together)
        assert len(together) == batch.species[n]
        assert not batch.starts[n, batch.species[n] :].any()


def test_genes_count_once_among_the_own_species():
    """The three sizes of the small panel, before pilots. Mutant seen to fail: genes count twice."""
    dice = Dice(np.random.default_rng(11))
    found = [draft for _ in range(600) if (draft := _structure(SMALL, dice)) is not None]
    own = np.array([len(draft.molecules) + len(draft.genes) for draft in found])
    assert {1, 2, 3} == set(own)
    assert all(draft.size == len(draft.molecules) + 2 * len(draft.genes) for draft in found)
    assert any(draft.size > 3 for draft in found)


@pytest.mark.parametrize("name", PANELS)
def test_counts_and_events_stay_in_range(drawn, name):
    """A network that passes the limit in half of its paths passes 8 pilots in 1 of 256 cases: of 400, with 5 sigma,
    no more than 8. Mutants seen to fail: no look at the pilots' counts; pilots of the wrong networks.
    """
    batch = drawn[name]
    found = simulate(batch, np.ones((400, 1)), 60, (5, 6), most_events=2 * MOST_EVENTS)
    assert found.done.mean() > 0.98
    beyond = (found.counts[:, :, 0].max(axis=2) > PANELS[name].limit).mean(axis=1)
    assert (beyond > 0.5).sum() <= 8
    assert (found.events / 60 > 0.4).mean() > 0.97


def test_training_and_panels_share_no_structure(drawn):
    """Mutants seen to fail: both sides kept; the sides exchanged."""
    for name in ("small", "large", "counts127"):
        assert not any(held_out(s) for s in signature(drawn[name]))
        kept = draw(np.random.default_rng(9), 40, PANELS[name], held_out=True)
        assert all(held_out(s) for s in signature(kept))


def test_templates_are_on_the_hard_panel_alone(drawn):
    """Found by trying every choice of species. Mutants seen to fail: drafts that are not asked; enzymes alone."""
    more = draw(np.random.default_rng(10), 1500, LARGE)
    for batch in (drawn["small"], drawn["large"], drawn["counts127"], more):
        assert not any(is_enzymatic(batch, n) or is_mutual(batch, n) for n in range(len(batch)))
    enzymatic = np.array([is_enzymatic(drawn["hard"], n) for n in range(400)])
    mutual = np.array([is_mutual(drawn["hard"], n) for n in range(400)])
    assert (enzymatic | mutual).all()
    assert min(enzymatic.sum(), mutual.sum()) > 80


def test_draws_follow_the_seed(drawn):
    """Mutant seen to fail: pilots with a root of their own."""
    again, other = draw(np.random.default_rng(0), 400, SMALL), draw(np.random.default_rng(20), 400, SMALL)
    for a, b in zip(again.parts, drawn["small"].parts, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (other.rates != again.rates).any()
    assert len(draw(np.random.default_rng(0), 0, SMALL)) == 0


def skeletons(number, panel, seed):
    dice = Dice(np.random.default_rng(seed))
    return assembled([d for _ in range(number) if (d := _structure(panel, dice)) is not None])


def test_every_regulated_network_has_a_saturating_law(drawn):
    """Of every kind: up and down, of enzymes (h = 1), Hill coefficients to 4; halves about the counts that there are.

    Mutants seen to fail: networks that begin with any motif; enzymes with any Hill coefficient; halves in units of 1.
    """
    batch = drawn["regulated"]
    read = batch.powers != 0
    assert read.any(axis=1).all()
    assert (batch.regulators[read] < SPECIES).all()
    assert (batch.regulators[~read] == SPECIES).all()
    n, r = np.nonzero(read)
    taken = batch.change[n, r, batch.regulators[n, r]] < 0
    assert (batch.powers[n, r][taken] == 1).all()
    powers = batch.powers[n, r][~taken]
    assert 0.3 < (powers > 0).mean() < 0.7
    assert {1, 2, 3, 4} <= set(np.abs(powers))
    assert ((np.abs(powers) % 1) != 0).mean() == pytest.approx(0.2, abs=5 * np.sqrt(0.16 / len(powers)))
    found = simulate(batch, np.ones((400, 1)), 30, (9, 10), most_events=2 * MOST_EVENTS)
    counts = found.counts[:, :, 0].mean(axis=1)[n, batch.regulators[n, r]]
    ratio = np.log((batch.halves[n, r] / np.maximum(counts, 0.1))[counts > 0.5])
    assert abs(np.median(ratio)) < 0.5


def test_genes_have_one_or_two_copies():
    """Two in a quarter of the cases, and every change keeps the total. Mutants seen to fail: the two states drawn
    apart; two copies always.
    """
    found = skeletons(1500, LARGE, 12)
    batch = scaled(found, 63, np.random.default_rng(13))
    n, s = np.nonzero(found.states[..., 0] == np.arange(SPECIES))
    on = found.states[n, s, 1]
    total = batch.starts[n, s] + batch.starts[n, on]
    assert set(total) == {1, 2}
    assert abs((total == 2).mean() - 0.25) < 5 * np.sqrt(0.1875 / len(total))
    assert (batch.change[n, :, s] == -batch.change[n, :, on]).all()


def test_autocatalysis_is_weaker_than_the_decay():
    """Mutant seen to fail: rates as they come."""
    found = skeletons(4000, SMALL, 14)
    batch = scaled(found, 63, np.random.default_rng(15))
    seen = 0
    for n in range(len(batch)):
        rates = {str(reaction): rate for reaction, rate in zip(reactions_of(batch, n), batch.rates[n], strict=False)}
        for s in range(SPECIES):
            if (grows := rates.get(str(([s], {s: 1})))) is not None:
                assert grows <= 0.8 * rates[str(([s], {s: -1}))] * (1 + 1e-12)
                seen += 1
    assert seen > 50


def test_times_are_log_uniform_over_three_decades():
    """A chain 0 -> A -> B -> 0, whose species lose at their own rates: the asked time is log-uniform in units of the
    mean of the two time scales. Kolmogorov's p > 1e-4. Mutants seen to fail: two decades; the fastest scale alone.
    """
    chain = Draft(2, 3, size=2, molecules=[0, 1])
    for reactants, change in (((), {0: 1}), ((0,), {0: -1, 1: 1}), ((1,), {1: -1})):
        chain.add(reactants, change)
    batch = scaled(assembled([chain] * 4000), 63, np.random.default_rng(17))
    middle = np.log10(batch.rates[:, 1] * batch.rates[:, 2]) / 2
    assert scipy.stats.kstest(middle, scipy.stats.uniform(-1, 3).cdf).pvalue > 1e-4
    apart = np.log10(batch.rates[:, 1] / batch.rates[:, 2])
    assert 1 < np.abs(apart).max() < 5


@pytest.mark.parametrize("name", PANELS)
def test_counts_fill_the_range(drawn, name):
    """Of the largest mean count, a tenth of the networks lie below a tenth of the limit, a tenth above a quarter.

    Mutants seen to fail: levels in a third of the range; what is made does not make up for what is taken.
    """
    found = simulate(drawn[name], np.ones((400, 1)), 60, (7, 8), most_events=2 * MOST_EVENTS)
    low, high = np.quantile(found.counts[:, :, 0].mean(axis=1).max(axis=1), (0.1, 0.9)) / PANELS[name].limit
    assert low < 0.1
    assert high > 0.25


FEW = {"plain": Panel((1, 2), 4), "regulated": Panel((1, 3), 4, weights=REGULATION, first=tuple(REGULATION))}


@pytest.mark.parametrize("name", FEW)
def test_every_reaction_can_happen(name):
    """Looked at from the start on, 4,000 states deep, for small networks. Mutants seen to fail: starts as they come;
    one molecule for pairs; activators that need not be there.
    """
    number = 150 if name == "plain" else 500
    batch = draw(np.random.default_rng(18), number, FEW[name])
    looked = never = 0
    for n in range(number):
        rising = [rising for rising, _ in regulators_of(batch, n)]
        pairs = zip(rising, reactions_of(batch, n), strict=True)
        reactions = [(factors + need, moved) for need, (factors, moved) in pairs]
        fired, seen, front = set(), {tuple(batch.starts[n])}, [tuple(batch.starts[n])]
        while front and len(seen) < 4000 and len(fired) < len(reactions):
            state = front.pop(0)
            for r, (factors, moved) in enumerate(reactions):
                if all(state[s] >= factors.count(s) for s in factors):
                    fired.add(r)
                    after = tuple(x + moved.get(s, 0) for s, x in enumerate(state))
                    if after not in seen:
                        seen.add(after)
                        front.append(after)
        never += len(fired) < len(reactions) and len(seen) < 4000
        looked += len(fired) == len(reactions)
    assert never <= 0.01 * number * (name == "regulated")  # a last molecule that is used up before its partner comes
    assert looked > 0.9 * number


def test_orders_are_shuffled(drawn):
    """No species, and no reaction, plays its part at one place. Mutants seen to fail: either order left as it is."""
    batch = drawn["hard"]
    genes = (np.abs(batch.change).sum(axis=1) > 0) & (batch.starts < 2)
    assert (genes.mean(axis=0) > 0.2).all()
    first = (batch.reactants[:, 0] == SPECIES).all(axis=1).mean()
    last = np.mean([(batch.reactants[n, size - 1] == SPECIES).all() for n, size in enumerate(batch.reactions)])
    assert abs(first - last) < 5 * np.sqrt(0.5 / 400)
    again = shuffled(batch, np.random.default_rng(19))
    assert signature(again) == signature(batch)
    assert (again.starts != batch.starts).any(axis=1).mean() > 0.5
    assert (again.rates != batch.rates).any(axis=1).mean() > 0.9


def test_the_tally_adds_up():
    """Mutant seen to fail: networks that are counted twice."""
    tally = Tally()
    draw(np.random.default_rng(21), 300, SMALL, held_out=True, tally=tally)
    assert tally.structures == tally.unfinished + tally.other_side + tally.drawn
    assert tally.drawn == tally.too_high + tally.too_many + tally.still + tally.kept
    assert sum(len(part) for part in tally.events) == tally.kept >= 300
    assert 0.8 < tally.other_side / (tally.structures - tally.unfinished) < 0.97
    assert "kept" in str(tally)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"species": (0, 3), "reactions": 6}, "species"),
        ({"species": (2, 6), "reactions": 6}, "species"),
        ({"species": (1, 3), "reactions": 11}, "reactions"),
        ({"species": (1, 3), "reactions": 6, "weights": {"enzyme": 1.0}}, "unknown motifs"),
        ({"species": (1, 3), "reactions": 6, "weights": {"dimer": -1.0}}, "weights"),
        ({"species": (4, 5), "reactions": 7, "templates": ("repression",)}, "reactions"),
        ({"species": (1, 3), "reactions": 6, "limit": 2}, "limit"),
    ],
)
def test_impossible_panels_are_refused(settings, reason):
    with pytest.raises(kx.SettingError, match=reason):
        Panel(**settings)


def test_a_panel_without_networks_ends():
    """Genes that make more, of which none comes to be. Mutant seen to fail: none, it would run for ever."""
    with pytest.raises(kx.SettingError, match="no network"):
        draw(np.random.default_rng(22), 1, Panel((1, 3), 6, weights={"gene_production": 1.0}))
