"""Reports: nothing from a model becomes markup, nothing is loaded, figures do not read names as formulas."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import kinetix as kx
from kinetix.app import figures
from kinetix.app.describe import certificate_lines
from kinetix.app.progress import detail, shown
from kinetix.app.report import Card, Page, Section, code, heading, note, picture, prose, table
from kinetix.app.sections import Point, certificate_section, laws_section, model_section, net_page, reproduce_section
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species, mass_action

HOSTILE = '<script>alert("x")</script>&"\'$\\frac{1}{0}$\x00'


class Tags(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]


def dimer(name: str = "dimer") -> ReactionNetwork:
    return ReactionNetwork(
        [Species("M"), Species("D")],
        [Parameter("k", 4.0), Parameter("d", 1.0)],
        [
            Reaction("make", {}, {"M": 1}, mass_action("k", {})),
            Reaction("pair", {"M": 2}, {"D": 1}, mass_action("d", {"M": 2})),
            Reaction("lose", {"D": 1}, {}, mass_action("d", {"D": 1})),
        ],
        name=name,
    )


def test_hostile_text_stays_text_in_every_block() -> None:
    """Mutant: `_escaped` taken out of `table` or `Card`."""
    blocks = (
        prose(HOSTILE),
        heading(HOSTILE),
        note(HOSTILE),
        code(HOSTILE),
        table([HOSTILE], [[HOSTILE], [1.5]], HOSTILE),
        picture(figures.shifts([HOSTILE], {HOSTILE: np.array([0.1])}, 0.2), HOSTILE, HOSTILE),
    )
    page = Page(HOSTILE, HOSTILE, (Card(HOSTILE, HOSTILE),), (Section(HOSTILE, blocks),), HOSTILE).to_html()
    found = Tags(page)
    assert "script" not in found.tags
    assert "\x00" not in page
    assert all(link.startswith("data:image/svg+xml;base64,") for link in found.links)
    assert page.count("&lt;script&gt;") >= 12


def test_pictures_hold_no_script_no_links_and_are_the_same_every_time() -> None:
    """Mutant: the SVG's date or its random ids left in."""
    pages = [picture(figures.shifts([HOSTILE], {"a": np.array([0.1])}, 0.2), "x") for _ in range(2)]
    assert pages[0] == pages[1]
    (data,) = re.findall(r"base64,([^\"]+)", pages[0])
    svg = base64.b64decode(data).decode()
    assert "<script" not in svg
    links = {link for link in re.findall(r"""href="([^"]*)""", svg) if not link.startswith("#")}
    assert links == set()


def test_a_report_is_written_whole_and_alone(tmp_path: Path) -> None:
    sections = (model_section(dimer(HOSTILE)), reproduce_section(["kinetix solve a.xml"], {"seed": 1}))
    Page("A dimer", "by hand", (), sections).write(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "k" in text
    assert "2 M → D" in text
    assert "script" not in Tags(text).tags
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


@pytest.fixture(scope="module")
def net() -> object:
    settings = kx.MET(width=16, contexts=32, batch=16, held_out=4)
    return settings.train(dimer(), times=(0, 2), box={"k": (1, 8)}, budget_steps=30, seed=1)


def test_the_certificate_is_shown_with_its_floor(net: object) -> None:
    section = certificate_section(net)
    text = " ".join(section.blocks)
    for words in ("The training box", "4 held-out problems", "floor of 10,000 trajectories", "With 95 % confidence"):
        assert words in text
    assert any(line.startswith("joint.mean ") for line in certificate_lines(net.certificate))  # type: ignore[attr-defined]


def test_a_net_is_drawn_beside_the_exact_law_and_its_floor(net: object) -> None:
    points = [Point("low", {"k": 2.0}), Point("high", {"k": 7.0})]
    section = laws_section(net, points, [0.5, 2.0], kx.FSP(), seed=1)
    assert sum(block.count("<img") for block in section.blocks) == 2
    assert "k = 7" in section.blocks[0]


def test_a_page_about_a_net_stands_alone(net: object, tmp_path: Path) -> None:
    net_page(net, kx.FSP(), seed=1, commands=["kinetix report net/"]).write(tmp_path / "net.html")
    text = (tmp_path / "net.html").read_text()
    assert text.count("<img") == 3
    assert "MET for dimer" in text


def test_progress_is_quiet_when_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with shown("training") as tell:
        assert tell is None
    assert capsys.readouterr() == ("", "")
    assert detail({"fraction": 0.5, "loss": 0.12345, "seconds_left": 42.0, "step": 7}) == "loss 0.1235, 42 s left"
    assert detail({"seconds_left": 600.0}) == "10 min left"
