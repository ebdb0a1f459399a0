"""What a page says was assumed: priors in words that match their laws, what unknowns are, how counts come about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import kinetix as kx
from kinetix.app.assumptions import cells_section, counted, in_words, role, stand_ins, unknowns_section
from kinetix.app.posterior_sections import posterior_page
from kinetix.expressions import symbol
from kinetix.inference.posterior import Posterior
from kinetix.inference.question import Question
from kinetix.inference.unknowns.parameters import expressions
from kinetix.inference.unknowns.prior_base import Prior

GENE = kx.parse("""
model gene
  species G = 1, M = 0
  on: -> G; kon*(1 - G)
  off: G -> ; koff*G
  made: G -> G + M; ksyn*G
  gone: M -> ; M
  kon = 1; koff = 3; ksyn = 20; idle = 4
end
""")


def posterior(prior: dict[str, Prior], data: kx.Observations | kx.TimeCourses, **asked: object) -> Posterior:
    """A posterior of 2 x 20 draws of the free names of `prior`."""
    names = tuple(name for name in prior if not str(prior[name]).startswith("fixed"))
    draws = np.stack([prior[name].sample(np.random.default_rng(1), 40) for name in names], axis=-1)
    told = Question(GENE, data, prior, asked.get("measurement"), expressions(asked.get("derived"))).told()  # type: ignore[arg-type]
    rest = {"likelihood": {"solver": "FSP"}, "meta": {"question": told, "seed": 1}}
    return Posterior(names, draws.reshape(2, 20, -1), np.zeros((2, 20)), prior, data, GENE, **rest)  # type: ignore[arg-type]


MADE = symbol("kon") / symbol("odds")
CELLS = kx.Observations.from_counts("M", [2.0] * 4, [0, 3, 5, 8])


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        (kx.prior.uniform(1, 20), "between 1 and 20, all values as likely"),
        (kx.prior.log_uniform(0.1, 10), "between 0.1 and 10, all orders of magnitude as likely"),
        (kx.prior.integers(0, 7), "a whole number from 0 to 7, all as likely"),
        (kx.prior.fixed(3), "held at 3"),
        (kx.prior.exponential(2), "exponential(2): with 90 % between 0.103 and 5.99"),  # -2 ln 0.95, -2 ln 0.05
    ],
)
def test_priors_in_words(prior: Prior, words: str) -> None:
    """Mutants: the law of the logarithm told as that of the values; the ends of 80 %."""
    assert in_words(prior) == words


def test_what_an_unknown_is_and_which_values_were_not_used() -> None:
    """Mutants: values of the file shown for unknowns; fixed and derived ones forgotten; a start told as a rate."""
    prior = {
        "kon": kx.prior.log_uniform(0.1, 10),
        "odds": kx.prior.log_uniform(0.1, 10),
        "M": kx.prior.integers(0, 3),
        "seen": kx.prior.uniform(0, 1),
        "ksyn": kx.prior.fixed(7),
    }
    found = posterior(prior, CELLS, derived={"koff": MADE}, measurement=kx.Measurement(capture={"M": "seen"}))
    roles = {name: role(found, name) for name in found.names}
    assert roles["kon"] == "in the rate of on"
    assert roles["odds"] == "makes koff"
    assert roles["M"] == "count of M at time 0"
    assert roles["seen"] == "the probability that a molecule of M is seen"
    told = {"kon": "inferred", "koff": "= kon/odds", "ksyn": "7", "M": "inferred"}
    assert {name: stand_ins(found)[name] for name in told} == told
    page = posterior_page(found, commands=[]).to_html()
    assert "<td>koff</td><td>= kon/odds</td>" in page
    assert "Counts at time 0: G = 1, M = inferred." in page
    assert "<td>idle</td><td>4</td>" in page  # used as it stands in the file
    assert "<td>ksyn</td><td>7</td>" in " ".join(unknowns_section(found).blocks)


def test_groups_share_a_name_and_are_told_apart() -> None:
    """Mutant: the name with its group looked up in the model."""
    prior = {"ksyn[a]": kx.prior.uniform(1, 9), "ksyn[b]": kx.prior.uniform(1, 9)}
    found = posterior(prior, CELLS)
    assert role(found, "ksyn[b]") == "in the rate of made, in group b"
    assert stand_ins(found)["ksyn"] == "inferred"


def test_how_counts_come_about() -> None:
    """Mutants: a measurement that is not told; exact counts not told; the capture told as the background."""
    prior = {"kon": kx.prior.uniform(0, 1)}
    assert counted(posterior(prior, CELLS)) == ["Counts are taken as exact: every molecule is seen, and none is added."]
    seen = kx.Measurement(capture={"M": 0.4}, background={"M": 2.5}, saturation={"M": 30})
    false = "false ones are added, 2.5 on average (Poisson)"
    both = kx.Observations.from_counts(("G", "M"), [2.0] * 2, [[0, 3], [1, 5]])
    assert counted(posterior(prior, both, measurement=seen)) == [
        f"Reading M: each molecule is seen with probability 0.4; {false}; 30 and more read the same.",
        "Counts of G are taken as exact.",
    ]


def test_cells_that_are_followed_are_not_called_snapshots() -> None:
    """Mutants: "each cell is seen once" of time courses (as the page said); hidden species not named."""
    prior = {"kon": kx.prior.uniform(0, 1)}
    courses = kx.TimeCourses.from_counts("M", ["a", "a", "b"], [1.0, 2.0, 1.0], [3, 4, 5])
    followed = " ".join(cells_section(posterior(prior, courses)).blocks)
    once = " ".join(cells_section(posterior(prior, CELLS)).blocks)
    assert "The same cells are followed" in followed
    assert "seen once" not in followed
    assert "Each cell is seen once" in once
    assert "Not counted: G." in once


def test_the_unit_of_rates() -> None:
    """Mutant: cells without a clock told to have the unit of their times."""
    still = replace(CELLS, times=np.array([np.inf]))
    prior = {"kon": kx.prior.uniform(0, 1)}
    assert "times in minutes make rates per minute" in " ".join(unknowns_section(posterior(prior, CELLS)).blocks)
    found = posterior(prior, still)
    assert "show no clock" in " ".join(unknowns_section(found).blocks)
    assert "steady state</td>" in " ".join(cells_section(found).blocks)
