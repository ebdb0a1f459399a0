"""What does not parse, explained: what was found, what was expected, and the likely mend.

Constructs of Antimony that kinetix does not treat are refused by name, never as a syntax error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from kinetix.errors import KinetixError, UnsupportedFeature

from .dsl_source import ANTIMONY, Source
from .dsl_words import WORDS

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
    (r"--", "a DNA strand (--)", "write one reaction for each step"),
    (r"\.\s*[A-Za-z_]", "an element of a submodel (a.b)", "write the model in one piece"),
    (r"[<>]=?(?!-)|==|!=", "a flux bound", "give every reaction its law"),
)
"""What Antimony allows and kinetix refuses by name, by the text where the parser stopped."""

_ELSEWHERE = ("a unit", "a model", "a submodel", "a second name", "an element of a submodel", "a deletion")
"""How the names of those begin that are read with format="antimony"."""

_POWER = r"\*"
_AND = "&&"
_HINTS: tuple[tuple[str, str], ...] = (
    (_POWER, "powers are written with ^, as in X^2"),
    (r"<->|<=>|-->|<-", "write -> with two laws, or mass_action(forward, back)"),
    (r"(?:and|or|not)\b", "write && for and, || for or, ! for not"),
    (_AND, "put parentheses: a || (b && c), or (a || b) && c"),
    (r"\"", "close the quotes on the same line"),
    (r"<\?xml|<sbml", "this is SBML: give the file the ending .xml"),
    (r"[^\x00-\x7f]", "names have letters a-z, A-Z, digits and _"),
)


def explained(source: Source, problem: UnexpectedInput) -> KinetixError:
    """A syntax error as what was found, what was expected, and the likely mend."""
    text, position = source.text, _position(source.text, problem)
    line, column = _line_and_column(text, position)
    rest, statement = text[position:], _statement_before(text, position)
    words = re.findall(r"[A-Za-z_][A-Za-z0-9_]*", statement)
    expected = _expected(problem)
    if named := _unsupported(rest, statement, words):
        feature, mend = named
        mend = f"{mend}, {ANTIMONY}" if feature.startswith(_ELSEWHERE) else mend
        return source.at(line, column, f"{feature} is not supported", mend, UnsupportedFeature)
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
    if len(words) == 2 and words[-1] == "is" and not rest.startswith('"'):
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
    if {"PLUS", "SEMICOLON"} <= left:  # a side of a reaction: a name would make this one an amount, seldom meant
        left -= {"NAME", "DOLLAR"}
    if {"STAR", "SLASH"} <= left:
        names.append("an operator")
        left -= _OPERATORS
    if {"WORD", "_FUNCTION", "NAME"} & left and "WORD" in left:
        names.append("a statement")
        left -= {"WORD", "_MODEL", "_FUNCTION", "NAME", "NUMBER", "DOLLAR", "ARROW"}
    names += [_SHOWN[name] for name in _SHOWN if name in left]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}" if names else ""


def _hint(rest: str, statement: str, words: Sequence[str], expected: set[str]) -> str | None:
    if rest.startswith("/*") or (rest.startswith("*") and statement.endswith("/")):
        return "the comment is not closed by */"
    if _is_reaction(rest[:2]) and re.search(r"(?:^|[:+])\s*[0-9.]+\s*$", statement):
        return "an empty side is written as nothing, as in -> X"
    for pattern, mend in _HINTS:
        fits = {_POWER: statement.endswith("*"), _AND: "||" in statement}.get(pattern, True)
        if fits and re.match(pattern, rest):
            return mend
    here = re.match(r"[A-Za-z_][A-Za-z0-9_]*", rest)
    if here and here.group() in WORDS and "NAME" in expected:
        return f"{here.group()!r} is a word of the language; use another name, as {here.group()}_"
    if here and "STAR" in expected and not _is_reaction(rest.split(";", maxsplit=1)[0]):
        return "write * between factors; units after numbers are not supported"
    first = words[0] if words else here.group() if here else ""
    near = get_close_matches(first, WORDS, n=1, cutoff=0.7)
    return f"did you mean {near[0]!r}?" if near and first not in WORDS else None
