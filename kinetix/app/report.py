"""One self-contained HTML page: escaped text, inline pictures, no script, nothing loaded from elsewhere.

Blocks are made by the functions here, which escape what they are given; a page is made of blocks.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kinetix.style import WIDTH, style

from .files import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Tone = Literal["good", "bad", "plain"]

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

STYLE = """
:root { --ink: #1d2733; --soft: #5b6875; --line: #dde3e8; --tint: #f5f7f9; --blue: #0072b2; --good: #00734f;
  --bad: #b04300; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: white; font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; overflow-wrap: anywhere; }
.subtitle { color: var(--soft); margin: 0 0 1.6rem; font-size: 1.05rem; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; margin: 3rem 0 .6rem; padding-top: 1.1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .4rem; }
p { margin: .6rem 0; max-width: 46rem; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: .8rem; margin: 1.2rem 0; }
.card { border: 1px solid var(--line); border-left: 4px solid var(--blue); border-radius: 6px; padding: .7rem .9rem; }
.card.good { border-left-color: var(--good); } .card.bad { border-left-color: var(--bad); }
.card b { display: block; font-size: 1.3rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: .88rem; display: block; line-height: 1.35; }
figure { margin: 1.2rem 0; } figure img { width: 100%; height: auto; display: block; }
figcaption, caption { color: var(--soft); font-size: .9rem; line-height: 1.45; max-width: 46rem; }
figcaption { margin-top: .4rem; } caption { text-align: left; padding-bottom: .4rem; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .92rem; }
th, td { text-align: left; padding: .32rem .9rem .32rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--soft); border-bottom-width: 2px; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { background: var(--tint); border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem; overflow-x: auto;
  font: 13px/1.5 ui-monospace, Menlo, Consolas, monospace; }
.note { background: var(--tint); border-left: 4px solid var(--blue); padding: .6rem .9rem; border-radius: 0 6px 6px 0; }
.note.good { border-left-color: var(--good); } .note.bad { border-left-color: var(--bad); }
footer { color: var(--soft); font-size: .85rem; margin-top: 3rem; border-top: 1px solid var(--line);
  padding-top: 1rem; }
@media print { main { max-width: none; padding: 0; } h2 { break-after: avoid; } figure { break-inside: avoid; } }
"""


class Html(str):
    """Text that is already escaped: only the functions of this module make it."""

    __slots__ = ()


@dataclass(frozen=True)
class Card:
    """One figure at the head of a page: the `value`, what it is, and whether it is as it should be."""

    value: str
    meaning: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Section:
    """A heading and the blocks below it."""

    title: str
    blocks: tuple[Html, ...]


@dataclass(frozen=True)
class Page:
    """A whole report."""

    title: str
    subtitle: str
    cards: tuple[Card, ...] = ()
    sections: tuple[Section, ...] = ()
    footer: str = ""

    def to_html(self) -> Html:
        """The page, complete in itself."""
        body = [f"<h1>{_escaped(self.title)}</h1>", f'<p class="subtitle">{_escaped(self.subtitle)}</p>']
        if self.cards:
            body.append(f'<div class="cards">{"".join(map(_card, self.cards))}</div>')
        for section in self.sections:
            body += [f"<section><h2>{_escaped(section.title)}</h2>", *section.blocks, "</section>"]
        body.append(f"<footer>{_escaped(self.footer)}</footer>")
        return Html(
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{_escaped(self.title)}</title><style>{STYLE}</style></head>\n"
            f"<body><main>\n{chr(10).join(body)}\n</main></body></html>\n"
        )

    def write(self, path: str | Path) -> None:
        """Write the page, whole or not at all."""
        write_text(Path(path), self.to_html())


def prose(text: str) -> Html:
    """A paragraph."""
    return Html(f"<p>{_escaped(text)}</p>")


def heading(text: str) -> Html:
    """A heading inside a section."""
    return Html(f"<h3>{_escaped(text)}</h3>")


def note(text: str, tone: Tone = "plain") -> Html:
    """A paragraph that stands out."""
    return Html(f'<p class="note {tone}">{_escaped(text)}</p>')


def code(text: str) -> Html:
    """Text as it would be typed."""
    return Html(f"<pre>{_escaped(text)}</pre>")


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> Html:
    """A table; numbers are set to the right with four digits."""
    body = [list(row) for row in rows]
    numeric = [all(isinstance(row[k], int | float) for row in body) and bool(body) for k in range(len(head))]
    title = f"<caption>{_escaped(caption)}</caption>" if caption else ""
    heads = "".join(f"<th{_numeric(n)}>{_escaped(h)}</th>" for h, n in zip(head, numeric, strict=True))
    lines = "".join(
        "<tr>"
        + "".join(f"<td{_numeric(n)}>{_escaped(_cell(v))}</td>" for v, n in zip(row, numeric, strict=True))
        + "</tr>"
        for row in body
    )
    return Html(
        f'<div class="scroll"><table>{title}<thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>'
    )


def picture(figure: Figure, alt: str, caption: str = "") -> Html:
    """A figure as an inline SVG image: an image runs no script and loads nothing; text has one size in all."""
    stream = io.BytesIO()
    with style():
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return image(stream.getvalue(), "svg+xml", alt, caption, share=figure.get_figwidth() / WIDTH)


def image(data: bytes, kind: str, alt: str, caption: str, *, share: float = 1.0) -> Html:
    """The bytes of a picture, inline, on a `share` of the page's width."""
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    below = f"<figcaption>{_escaped(caption)}</figcaption>" if caption else ""
    wide = f' style="max-width: {100 * share:.0f}%"' if share < 1 else ""
    return Html(f'<figure><img{wide} alt="{_escaped(alt)}" src="{source}">{below}</figure>')


def _card(card: Card) -> str:
    return f'<div class="card {card.tone}"><b>{_escaped(card.value)}</b><span>{_escaped(card.meaning)}</span></div>'


def _escaped(text: object) -> str:
    """Escaped, and without control characters, which HTML does not allow."""
    plain = "".join(c if c >= " " or c in "\n\t" else "\ufffd" for c in str(text))
    return html.escape(plain.encode("utf-8", "replace").decode("utf-8"), quote=True)


def _numeric(number: bool) -> str:
    return ' class="number"' if number else ""


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
