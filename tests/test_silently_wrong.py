"""The page examples/docs/silently_wrong.md: its kinetix rows and findings are what kinetix says today."""

import re

import pytest

import kinetix as kx
from tests.benchmarks.silently_wrong_cases import CASES, Case, kinetix_answer
from tests.exact import ROOT

PAGE = (ROOT / "examples" / "docs" / "silently_wrong.md").read_text()
SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:-1]
ROW = r"^\| \*\*kinetix\*\*, FSP[^|]*\| (\w+) \| ([\d.]+) \| ([\d.]+) \|[ |]*(?:exact|error < (\S+)) \|$"


def test_the_page_has_five_cases() -> None:
    assert [section.split("\n")[0] for section in SECTIONS] == [f"{k}. {c.title}" for k, c in enumerate(CASES, 1)]
    assert len(CASES) == 5


@pytest.mark.parametrize(
    ("section", "case"), list(zip(SECTIONS, CASES, strict=True)), ids=lambda x: getattr(x, "file", "")
)
def test_the_rows_of_kinetix_are_reproduced_and_true(section: str, case: Case) -> None:
    """Mutants seen to fail: a digit of the page changed; a finding of the page changed."""
    file, time = re.search(r"File `(.+?)`, t = ([\d.]+)\.", section).groups()
    assert (file, float(time)) == (case.file, case.time)
    here, truth = kinetix_answer(case), case.truth(case)
    rows = re.findall(ROW, section, flags=re.MULTILINE)
    assert [row[0] for row in rows] == list(truth)
    for species, mean, sd, error in rows:
        assert here.moments[species] == pytest.approx((float(mean), float(sd)), abs=2e-8)
        assert here.moments[species] == pytest.approx(truth[species], rel=1e-6, abs=2e-5)
        assert here.error <= float(error or 0)
    for finding in here.findings:
        assert f"`{finding}`" in section, finding


def test_the_reactant_that_runs_out_is_refused_as_written() -> None:
    case = CASES[-1]
    said = kinetix_answer(case).refusal
    assert "would make a count negative" in said
    with pytest.raises(kx.RunError, match="KX108"):
        kx.solve(kx.load(ROOT / case.file), [case.time], solver="fsp")
