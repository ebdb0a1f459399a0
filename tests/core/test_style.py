"""Names in figures: printable, short, told apart by their ends, never read as formulas."""

import io

import pytest

from kinetix.style import folded, label, log_axis, new_figure, style


def test_labels_are_printable_and_keep_both_ends() -> None:
    """Mutant: the end cut off, so that rates of two genes have one name."""
    a, b = (label(f"transcription_rate_of_the_gene_{x}") for x in "AB")
    assert len(a) == len(b) == 28
    assert a.endswith("gene_A")
    assert b.endswith("gene_B")
    assert label("k\n\x00") == "k\ufffd\ufffd"
    assert label("short") == "short"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("kon", ["kon"]),
        ("transcription_rate_of_gene_A", ["transcription_", "rate_of_gene_A"]),
        ("averyveryverylongnamewithoutanybreaks", None),
        ("x" * 17, None),
    ],
)
def test_long_names_are_folded_at_their_joints(name: str, lines: list[str] | None) -> None:
    found = folded(name).split("\n")
    assert lines is None or found == lines
    assert all(0 < len(line) <= 16 for line in found)
    assert len(found) <= 2


def test_names_are_no_formulas_even_where_a_figure_is_saved_outside() -> None:
    """Mutant: the look without `text.parse_math`: drawing this name raises."""
    with style():
        figure = new_figure(2, 2)
        axes = figure.add_subplot()
        axes.set_xlabel("$\\frac{$")
        log_axis(axes, "y", [1e-3, 1e3])
    figure.savefig(io.BytesIO(), format="png")
    assert {t.get_text() for t in axes.get_yticklabels()} >= {"0.001", "1000"} or axes.get_yscale() == "log"
