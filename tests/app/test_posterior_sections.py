"""Pages about posteriors: the verdict stands first, numbers are the posterior's own, laws those of the draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import poisson

import kinetix as kx
from kinetix.app import figures
from kinetix.app.posterior_sections import cards, panels, posterior_page, predictive_section, rates_section
from kinetix.app.posterior_trust import checks, trust_section, verdict
from kinetix.inference import priors
from kinetix.inference.observations import Observations
from kinetix.inference.posterior import Posterior
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species, mass_action

GOOD = {"rhat": 1.002, "rhat_nested": 1.003, "ess_bulk": 900.0, "ess_tail": 700.0, "mcse": 0.01, "tau": 20.0}


@pytest.fixture
def posterior() -> Posterior:
    """Birth at b, death at 1: b within 0.001 of 8, so that laws at it are known."""
    network = ReactionNetwork(
        [Species("X")],
        [Parameter("b", 3.0), Parameter("d", 1.0)],
        [
            Reaction("birth", {}, {"X": 1}, mass_action("b", {})),
            Reaction("death", {"X": 1}, {}, mass_action("d", {"X": 1})),
        ],
        name="birth_death",
    )
    rng = np.random.default_rng(1)
    draws = np.stack([rng.normal(8, 1e-3, (4, 200)), rng.normal(1, 1e-4, (4, 200))], axis=-1)
    times = np.repeat([0.5, 1.0], 200)
    data = Observations.from_counts("X", times, rng.poisson(8 * (1 - np.exp(-times))))
    return Posterior(
        ("b", "d"),
        draws,
        np.zeros((4, 200)),
        {"b": priors.uniform(0, 20), "d": priors.log_uniform(0.1, 10)},
        data,
        network,
        {"solver": "FSP"},
        {"b": GOOD, "d": GOOD},
        converged=True,
        meta={"seed": 3},
    )


def test_the_predictive_figure_shows_the_cells_and_the_new_ones(posterior: Posterior) -> None:
    """Poisson of mean 8 (1 - e^-t). Mutants: the cells of the other time; new cells of the network's own rates."""
    checked = posterior.predict(kx.FSP(), rng=np.random.default_rng(1))
    assert checked.predictive is not None
    section = predictive_section(checked)
    assert len(section.blocks) == 2
    assert "Every statistic is explained" in section.blocks[1]
    for k, panel in enumerate(panels(checked, checked.predictive)):
        observed, t = checked.data.counts(k)[:, 0], checked.data.times[k]
        figure = figures.predictive([panel])
        assert figure.axes[0].get_title(loc="left") == f"t = {t:g}"
        dots = figure.axes[0].collections[0].get_offsets().data
        mean = figure.axes[0].patches[-1].get_data().values
        shares = np.bincount(observed) / 200
        np.testing.assert_allclose(dots[: len(shares), 1], shares)
        np.testing.assert_allclose(dots[:, 0], np.arange(len(dots)))
        law = poisson.pmf(np.arange(len(mean)), 8 * (1 - np.exp(-t)))
        assert np.abs(mean - law).max() < 5 * np.sqrt(0.2 / (100 * 200))


def test_without_new_cells_there_is_no_figure(posterior: Posterior) -> None:
    assert "No new cells" in predictive_section(posterior).blocks[0]


@pytest.mark.parametrize(
    ("change", "words", "tone"),
    [
        ({}, "the likelihood is exact", "good"),
        ({"converged": False}, "have not converged", "bad"),
        ({"complete": False}, "stopped before", "bad"),
        ({"gate": {"certified": False, "efficiency": 0.1, "pareto_k": 1.2}}, "not certified", "bad"),
        ({"gate": {"certified": True, "efficiency": 0.9, "pareto_k": 0.2}}, "agrees with the exact", "good"),
        (
            {"gate": {"certified": False, "corrected": True, "efficiency": 0.3}, "weights": np.ones((4, 200))},
            "carried over",
            "good",
        ),
    ],
)
def test_the_verdict_says_what_fails(posterior: Posterior, change: dict[str, object], words: str, tone: str) -> None:
    """Mutant: converged taken for trusted."""
    found, how = verdict(replace(posterior, **change))  # type: ignore[arg-type]
    assert words in found
    assert how == tone


def test_cards_are_bad_where_the_chains_are(posterior: Posterior) -> None:
    bad = replace(posterior, diagnostics={"b": {**GOOD, "rhat_nested": 1.2, "ess_tail": 50.0}, "d": GOOD})
    assert [c.tone for c in cards(posterior)[1:]] == ["good", "good"]
    assert [c.tone for c in cards(bad)[1:]] == ["bad", "bad"]
    assert cards(bad)[1].value == "1.2000"


def test_every_check_has_its_verdict(posterior: Posterior) -> None:
    """Mutants: numbers that are not there taken for good ones; a misfit that passes; verdicts of another check."""

    def verdicts(found: Posterior) -> list[str]:
        return [row[-1] for row in checks(found)]

    assert verdicts(posterior) == ["passed"] * 4 + ["not checked"]
    unknown = {**GOOD, "rhat": np.nan, "rhat_nested": np.nan, "ess_tail": np.nan}
    assert verdicts(replace(posterior, diagnostics={"b": GOOD, "d": unknown}))[1:3] == ["FAILED", "FAILED"]
    assert [c.tone for c in cards(replace(posterior, diagnostics={"b": GOOD, "d": unknown}))[1:]] == ["bad", "bad"]
    assert verdicts(replace(posterior, complete=False))[0] == "FAILED"
    poor = {"certified": False, "efficiency": 0.1, "pareto_k": 1.2}
    assert verdicts(replace(posterior, gate=poor))[3] == "FAILED"
    assert verdicts(replace(posterior, gate={**poor, "corrected": True}))[3] == "passed"
    other = replace(posterior, draws=posterior.draws + 3.0)  # rates far from those of the cells
    checked = other.predict(kx.FSP(), rng=np.random.default_rng(1))
    assert verdicts(checked)[4] == "FAILED, see below"


def test_what_the_cells_leave_open_stands_with_the_rates(posterior: Posterior) -> None:
    """Two rates that only come as a ratio. Mutants: told elsewhere only; nothing said where there is none."""
    assert "Nothing was found" in " ".join(rates_section(posterior).blocks)
    both = np.exp(np.random.default_rng(2).normal(size=(4, 200)))
    tied = replace(posterior, draws=np.stack([8 * both, both], axis=-1))
    text = " ".join(rates_section(tied).blocks)
    assert "the data fix about b / d (8; 90 % from 8 to 8), neither alone" in text
    assert "Nothing was found" not in text
    assert "b / d" not in " ".join(trust_section(tied).blocks)


def test_true_values_and_the_exact_posterior_stand_beside(posterior: Posterior) -> None:
    text = " ".join(rates_section(posterior, truth={"b": 8.5}, exact=posterior).blocks)
    assert "true value" in text
    assert "8.5" in text
    moved = replace(posterior, draws=posterior.draws + 0.001)
    shift = " ".join(trust_section(moved, exact=posterior).blocks)
    assert "Against the exact posterior" in shift
    assert ">0.9" in shift or ">1.0" in shift or ">1<" in shift  # 0.001 is one posterior sd of b


def test_a_page_is_complete_in_itself(posterior: Posterior, tmp_path: Path) -> None:
    checked = posterior.predict(kx.FSP(), rng=np.random.default_rng(1))
    page = posterior_page(checked, commands=["kinetix infer a.xml b.csv"])
    page.write(tmp_path / "p.html")
    text = (tmp_path / "p.html").read_text()
    for words in ("The cells", "The rates", "Can the rates be trusted?", "Do the rates explain the cells?", "seed"):
        assert words in text
    order = ("What was assumed", "priors</h2>", "The cells</h2>", "The rates</h2>", "leave open", "trusted?</h2>")
    places = [text.index(words) for words in (*order, "explain the cells?", "reproduce")]
    assert places == sorted(places)
    assert text.count("<img") == 4
