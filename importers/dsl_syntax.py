"""Text of the reaction language to a syntax tree, or a refusal that shows the place.

The grammar is `reactions.lark`. This file adds what a grammar cannot say: new lines do not count
within parentheses and after commas and colons, and nesting is bounded. `dsl_mistakes.py` explains what does not parse.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from kinetix.errors import ModelError

from .dsl_mistakes import explained
from .dsl_source import Source

MAX_CHARACTERS = 5_000_000
MAX_DEPTH = 100
"""The deepest nesting of parentheses and signs; laws in published models stay below 20."""
MAX_NAME = 256
MAX_STATEMENT = 20_000
"""The most words and signs in one statement; a law of so many pieces is refused later anyway."""


def parse_tree(text: str) -> tuple[Source, Tree[Token]]:
    """The syntax tree of a text, with the source that places its tokens."""
    source = Source(text)
    if len(text) > MAX_CHARACTERS:
        raise ModelError(f"the text has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}")
    try:
        return source, _parser().parse(text)
    except _TooMuchError as problem:
        token, reason, mend = problem.args
        raise source.refusal(token, reason, mend) from None
    except UnexpectedInput as problem:
        raise explained(source, problem) from None


class _TooMuchError(Exception):
    """Where the stream of tokens stops: token, reason and mend."""


class _OpenLines:
    """Between the lexer and the parser: drops new lines where a statement is still open, counts parentheses."""

    always_accept = ("_NEWLINE",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """The tokens that the parser is to see."""
        depth, before, length = 0, "", 0
        for token in stream:
            depth += {"LPAR": 1, "RPAR": -1}.get(token.type, 0)
            length = 0 if token.type in {"_NEWLINE", "SEMICOLON"} else length + 1
            if depth > MAX_DEPTH:
                raise _TooMuchError(token, f"parentheses are nested deeper than {MAX_DEPTH}", "split the law")
            if length > MAX_STATEMENT:
                raise _TooMuchError(token, f"the statement has more than {MAX_STATEMENT:,} words and signs", "split it")
            if token.type == "NAME" and len(token) > MAX_NAME:
                raise _TooMuchError(token, f"the name {token[:20]}... has more than {MAX_NAME} letters", "shorten it")
            if token.type == "_NEWLINE" and (depth > 0 or before in {"COMMA", "COLON"}):
                continue
            if token.type == "_NEWLINE":
                depth = 0
            before = token.type
            yield token


@cache
def _parser() -> Lark:
    grammar = Path(__file__).with_name("reactions.lark").read_text(encoding="utf-8")
    return Lark(
        grammar,
        parser="lalr",
        lexer="basic",
        postlex=_OpenLines(),
        propagate_positions=True,
        maybe_placeholders=True,
    )
