"""The text of a model as the place where mistakes are shown: line, column and a caret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lark import Token, Tree

from kinetix.errors import KinetixError, ModelError, UnsupportedFeature

ANTIMONY = 'or load the file with format="antimony" (needs the package antimony), which means what Antimony means'
"""What to do about constructs of Antimony that lie outside the language."""


@dataclass(frozen=True)
class Source:
    """The text of a model, which knows how to refuse a place in it."""

    text: str

    def refusal(
        self, where: Token | Tree[Token], reason: str, mend: str | None = None, kind: type[KinetixError] = ModelError
    ) -> KinetixError:
        """The error about a token or a piece of the tree, with its line, column and picture."""
        start = where if isinstance(where, Token) else next(iter(tokens(where)), None)
        if start is None:
            return kind(reason, mend=mend)
        return self.at(start.line or 1, start.column or 1, reason, mend, kind)

    def unsupported(
        self, where: Token | Tree[Token], feature: str, mend: str, *, elsewhere: bool = False
    ) -> KinetixError:
        """The refusal of a legal construct that the language leaves out; `elsewhere` if format="antimony" has it."""
        mend = f"{mend}, {ANTIMONY}" if elsewhere else mend
        return self.refusal(where, f"{feature} is not supported", mend, UnsupportedFeature)

    def at(
        self, line: int, column: int, reason: str, mend: str | None = None, kind: type[KinetixError] = ModelError
    ) -> KinetixError:
        """The error at a line and column, both counted from 1."""
        place = f"line {line}, column {column}"
        return kind(reason, place=place, mend=mend, excerpt=picture(self.text, line, column))


def picture(text: str, line: int, column: int, width: int = 100) -> str:
    """The line in question with a caret under the column."""
    lines = re.split(r"\r\n|\n|\r", text)
    written = lines[line - 1] if line <= len(lines) else ""
    first = max(0, column - 1 - width // 2)
    shown = written[first : first + width]
    blank = "".join("\t" if c == "\t" else " " for c in shown[: column - 1 - first])
    margin = f"{line} | "
    return f"{margin}{shown}\n{' ' * (len(margin) - 2)}| {blank}^"


def tokens(tree: Tree[Token]) -> Iterator[Token]:
    """The tokens of a piece of the tree, from left to right."""
    waiting: list[object] = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Token):
            yield item
        elif isinstance(item, Tree):
            waiting.extend(reversed(item.children))
