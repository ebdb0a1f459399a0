"""Text of the reaction language to a syntax tree, or a refusal that shows the place.

The grammar is `reactions.lark`. This file adds what a grammar cannot say: new lines do not count
within parentheses, nesting is bounded, and a mistake is explained by what was expected there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from kinetix.errors import KinetixError, ModelError, UnsupportedFeature

MAX_CHARACTERS = 5_000_000
MAX_DEPTH = 100
"""The deepest nesting of parentheses and signs; laws in published models stay below 20."""

WORDS = (
    *("model", "module", "function", "end", "species", "compartment"),
    *("const", "var", "substanceOnly", "in", "at", "time"),
)
"""The words of the language: no element can be called so."""

_OPERATORS = {"PLUS", "MINUS", "STAR", "SLASH", "COMPARE", "_OR", "_AND", "_CARET"}
_ATOMS = {"NUMBER", "_TIME", "_NOT", "LPAR"}
_SHOWN = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a text in quotes",
    "ARROW": "'->'",
    "ASSIGN": "'=' or ':='",
    "COLON": "':'",
    "SEMICOLON": "';'",
    "_NEWLINE": "a new line",
    "RPAR": "')'",
    "LPAR": "'('",
    "COMMA": "','",
    "_IN": "'in'",
    "_END": "'end'",
    "PLUS": "'+'",
    "DOLLAR": "'$'",
    "$END": "the end of the file",
}

_FIRST_WORDS = {
    "at": "an event (at)",
    "import": "an import of another file",
    "unit": "a unit definition",
    "DNA": "a DNA strand",
    "gene": "a DNA strand (gene)",
    "operator": "a DNA strand (operator)",
    "delete": "a deletion in a submodel",
    "maximize": "a flux objective",
    "minimize": "a flux objective",
    "event": "an event",
}
"""Statements of Antimony that are refused by name, by their first word."""

_AT_THE_PLACE: tuple[tuple[str, str, str], ...] = (
    (r"at\b", "an event (at)", "events are not simulated"),
    (r"'\s*=", "a rate rule (X' = ...)", "write the change as reactions"),
    (r"--", "a DNA strand (--)", "write one reaction for each step"),
    (r"\.\s*[A-Za-z_]", "an element of a submodel (a.b)", "write the model in one piece"),
    (r"[<>]=?(?!-)|==|!=", "a flux bound", "give every reaction its law"),
)
"""What Antimony allows and kinetix refuses by name, by the text where the parser stopped."""

_POWER = r"\*"
_HINTS: tuple[tuple[str, str], ...] = (
    (_POWER, "powers are written with ^, as in X^2"),
    (r"<->|<=>|-->|<-", "write -> with two laws, or mass_action(forward, back)"),
    (r"(?:and|or|not)\b", "write && for and, || for or, ! for not"),
    (r"\"", "close the quotes on the same line"),
    (r"<\?xml|<sbml", "this is SBML: give the file the ending .xml"),
    (r"[^\x00-\x7f]", "names have letters a-z, A-Z, digits and _"),
)


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

    def unsupported(self, where: Token | Tree[Token], feature: str, mend: str | None = None) -> KinetixError:
        """The refusal of a legal construct that kinetix does not treat."""
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


def parse_tree(text: str) -> tuple[Source, Tree[Token]]:
    """The syntax tree of a text, with the source that places its tokens."""
    source = Source(text)
    if len(text) > MAX_CHARACTERS:
        raise ModelError(f"the text has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}")
    try:
        return source, _parser().parse(text)
    except _TooDeepError as problem:
        token = problem.args[0]
        raise source.refusal(token, f"parentheses are nested deeper than {MAX_DEPTH}", "split the law") from None
    except UnexpectedInput as problem:
        raise _explained(source, problem) from None


class _TooDeepError(Exception):
    pass


class _LinesInParentheses:
    """Between the lexer and the parser: drops new lines within parentheses, counts their depth."""

    always_accept = ("_NEWLINE",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """The tokens that the parser is to see."""
        depth = 0
        for token in stream:
            depth += {"LPAR": 1, "RPAR": -1}.get(token.type, 0)
            if depth > MAX_DEPTH:
                raise _TooDeepError(token)
            if token.type == "_NEWLINE" and depth > 0:
                continue
            if token.type == "_NEWLINE":
                depth = 0
            yield token


@cache
def _parser() -> Lark:
    grammar = Path(__file__).with_name("reactions.lark").read_text(encoding="utf-8")
    return Lark(
        grammar,
        parser="lalr",
        lexer="basic",
        postlex=_LinesInParentheses(),
        propagate_positions=True,
        maybe_placeholders=True,
    )


def _explained(source: Source, problem: UnexpectedInput) -> KinetixError:
    """A syntax error as what was found, what was expected, and the likely mend."""
    text, position = source.text, _position(source.text, problem)
    line, column = _line_and_column(text, position)
    rest, statement = text[position:], _statement_before(text, position)
    words = re.findall(r"[A-Za-z_][A-Za-z0-9_]*", statement)
    expected = _expected(problem)
    if feature := _unsupported(rest, statement, words):
        return source.at(line, column, f"{feature[0]} is not supported", feature[1], UnsupportedFeature)
    found = _found(rest)
    if (
        statement.rstrip().endswith(";")
        and "ARROW" not in expected
        and "NUMBER" in expected
        and _is_reaction(statement)
    ):
        return source.at(line, column, "the reaction has no law", "write it on the same line, as in A -> B; k*A")
    reason = f"unexpected {found}"
    if isinstance(problem, UnexpectedCharacters):
        expected = set()
    if listed := _listed(expected):
        reason += f": expected {listed}"
    return source.at(line, column, reason, _hint(rest, statement, words, expected))


def _position(text: str, problem: UnexpectedInput) -> int:
    if isinstance(problem, UnexpectedToken) and problem.token.type == "$END":
        return len(text.rstrip()) if text.strip() else 0
    place = problem.pos_in_stream
    return len(text) if place is None else int(place)


def _line_and_column(text: str, position: int) -> tuple[int, int]:
    before = re.split(r"\r\n|\n|\r", text[:position])
    return len(before), len(before[-1]) + 1


def _statement_before(text: str, position: int) -> str:
    """What stands on the line before the place, without what earlier statements on it said."""
    line = re.split(r"[\r\n]", text[:position])[-1]
    pieces = line.split(";")
    if len(pieces) > 1 and _is_reaction(pieces[-2]):
        return ";".join(pieces[-2:])
    return pieces[-1]


def _is_reaction(text: str) -> bool:
    return "->" in text or "=>" in text


def _expected(problem: UnexpectedInput) -> set[str]:
    if isinstance(problem, UnexpectedToken):
        return set(problem.accepts or problem.expected or ())
    if isinstance(problem, UnexpectedCharacters):
        return set(problem.allowed or ())
    return set()


def _unsupported(rest: str, statement: str, words: Sequence[str]) -> tuple[str, str] | None:
    """The construct of Antimony that stands here, and what to do instead, or None."""
    if words and words[0] in _FIRST_WORDS and not re.search(r"[=:]|->", statement.split(words[0], 1)[1]):
        return _FIRST_WORDS[words[0]], "leave it out, or write it as reactions and parameters"
    if words[:1] in (["model"], ["module"]) and statement.rstrip().endswith("("):
        return "a model with arguments", "write the model in one piece, as in model name"
    if len(words) == 2 and words[-1] == "is":
        return "a second name for an element (is)", "use one name; a text in quotes is a remark and is fine"
    if len(words) == 2 and words[-1] == "has":
        return "a unit of an element (has)", "numbers count molecules; leave units out"
    if rest.startswith("(") and re.fullmatch(r"(?:\s*\w+\s*:)?\s*\w+\s*", statement):
        return ("a submodel", "write the model in one piece") if ":" in statement else None
    for pattern, feature, mend in _AT_THE_PLACE:
        if re.match(pattern, rest) and (pattern[0] != "[" or re.fullmatch(r"\s*[\w.]+\s*", statement)):
            return feature, mend
    return None


def _found(rest: str) -> str:
    if not rest.strip():
        return "end of the file" if not rest else "end of the line"
    if rest[0] in "\r\n":
        return "end of the line"
    shown = re.match(r"[A-Za-z_][A-Za-z0-9_]*|[0-9.]+(?:[eE][+-]?[0-9]+)?|->|=>|:=|[<>=!]=|&&|\|\||.", rest)
    return repr(shown.group()) if shown else repr(rest[0])


def _listed(expected: set[str]) -> str:
    """The expected pieces in words, the many that begin or continue an expression as one."""
    names: list[str] = []
    left = set(expected)
    if left >= _ATOMS:
        names.append("an expression")
        left -= {*_ATOMS, "NAME", "PLUS", "MINUS"}
    if {"STAR", "SLASH"} <= left:
        names.append("an operator")
        left -= _OPERATORS
    if {"WORD", "_FUNCTION", "NAME"} & left and "WORD" in left:
        names.append("a statement")
        left -= {"WORD", "_MODEL", "_FUNCTION", "NAME", "NUMBER", "DOLLAR", "ARROW"}
    names += [_SHOWN[name] for name in _SHOWN if name in left]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}" if names else ""


def _hint(rest: str, statement: str, words: Sequence[str], expected: set[str]) -> str | None:
    if rest.startswith("*") and statement.endswith("/"):
        return "the comment is not closed by */"
    if _is_reaction(rest[:2]) and re.search(r"(?:^|[:+])\s*[0-9.]+\s*$", statement):
        return "an empty side is written as nothing, as in -> X"
    for pattern, mend in _HINTS:
        if re.match(pattern, rest) and (pattern != _POWER or statement.endswith("*")):
            return mend
    here = re.match(r"[A-Za-z_][A-Za-z0-9_]*", rest)
    if here and here.group() in WORDS and "NAME" in expected:
        return f"{here.group()!r} is a word of the language; use another name, as {here.group()}_"
    if here and "STAR" in expected and not _is_reaction(rest.split(";", maxsplit=1)[0]):
        return "write * between factors; units after numbers are not supported"
    first = words[0] if words else here.group() if here else ""
    near = get_close_matches(first, WORDS, n=1, cutoff=0.7)
    return f"did you mean {near[0]!r}?" if near and first not in WORDS else None
