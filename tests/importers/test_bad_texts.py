"""Nasty texts of the reaction language: one line that names place and reason, in no time; nothing is evaluated."""

import time
from pathlib import Path

import pytest

import kinetix as kx

START = "species X = 3, Y = 4; k = 2\n"


def doubling(steps: int) -> str:
    lines = ["function f0(x) x + 1; end"]
    return "\n".join([*lines, *(f"function f{i}(x) f{i - 1}(x)*f{i - 1}(x + {i}); end" for i in range(1, steps))])


BAD: dict[str, tuple[bytes | str, str]] = {
    "empty": ("", "there is no model in it"),
    "blank": (" \n\t\n", "there is no model in it"),
    "comment only": ("# nothing\n", "there is no model in it"),
    "deep parentheses": (
        START + "X -> ; " + "(" * 5000 + "X",
        "line 2, column 108: parentheses are nested deeper than",
    ),
    "deep signs": (START + "X -> ; " + "-" * 5000 + "X", "line 2, column .*nested deeper than 100"),
    "deep powers": (START + "X -> ; " + "X^" * 5000 + "X", "line 2, column .*nested deeper than 100"),
    "deep calls": (START + "X -> ; " + "exp(" * 5000, "line 2, column .*nested deeper than 100"),
    "deep piecewise": (START + "X -> ; " + "piecewise(1, X > 1, " * 150 + "2" + ")" * 150, "line 2, .*deeper than 100"),
    "long sum": (
        START + "X -> ; " + "X*Y + " * 150_000 + "X",
        "line 2, column .*: the statement has more than 20,000 words and signs",
    ),
    "10 MB line": (START + "X -> ; " + "X" * 10_000_000, r"has 10,000,035 bytes; the limit is 5,000,000"),
    "4 MB name": ("species " + "X" * 4_000_000, "line 1, column 9: the name X+\\.\\.\\. has more than 256 letters"),
    "infinite number": (START + "v = 1e400", "line 2, column 5: the number 1e400 is too large"),
    "many digits": (START + "v = " + "9" * 5000, "line 2, column 5: the number 99999999999999999... is too large"),
    "infinite in a law": (START + "X -> ; 1e308*1e308*X", "line 2, column 8: .*too large"),
    "power tower": (START + "X -> ; 9^9^9^9^9*X", "line 2, column 12: the exponent .* is too large"),
    "power of a name": (START + "X -> ; (X + 1)^1e9", "line 2, column .*exponent .* is too large"),
    "factorial": (START + "X -> ; factorial(1e9)", "line 2, column .*too large"),
    "exp of exp": (START + "X -> ; exp(exp(exp(exp(9))))", "line 2, column .*too large"),
    "stoichiometry": (START + "1e30 X -> ; k", "line 2, column 1: the stoichiometry 1e30 is no number"),
    "infinite stoichiometry": (START + "1e400 X -> ; k", "line 2, column 1: the stoichiometry 1e400 is no number"),
    "mass action of many": (
        START + "100000 X -> ; mass_action(k)",
        "line 2, column 8: mass_action\\(\\) of 100000 X: the most is 100",
    ),
    "start": ("species X = 1e300", "line 1, column 13: species 'X' starts at 1e\\+300, more than"),
    "negative start": ("species X = -5", "line 1, column 13: species 'X' starts at -5; give a count >= 0"),
    "code as a name": ("species __import__('os').system('touch /tmp/x') = 1", "line 1, column 19: unexpected '\\('"),
    "code as a law": (START + "X -> ; __import__('os').system('ls')", 'line 2, column 19: unexpected "\'"'),
    "code as a call": (START + "X -> ; eval(X)", "line 2, column 8: unknown function 'eval'"),
    "attribute": (START + "X -> ; X.__class__", "line 2, column 9: an element of a submodel .* is not supported"),
    "lambda": (START + "X -> ; lambda: 3", "line 2, column 14: unexpected ':'"),
    "null byte": (START + "X -> ; k\0*X", "line 2, column 9: unexpected '\\\\x00'"),
    "null bytes": (b"\0" * 1000, "line 1, column 1: unexpected '\\\\x00'"),
    "not UTF-8": (b"species X = 1 \xff\xfe", r"byte 14 \(0xff\) is not UTF-8 text; save the file as UTF-8"),
    "UTF-16": ("species X = 1".encode("utf-16"), "is not UTF-8 text"),
    "bytes": (bytes(range(256)) * 20, "is not UTF-8 text"),
    "second mark": ("\ufeff\ufeffspecies X = 1", "line 1, column 1: unexpected"),
    "look-alike": (START + "species Х = 1", "line 2, column 9: unexpected 'Х'; names have letters a-z"),  # Cyrillic
    "full-width digit": (START + "v = １", "line 2, column 5: unexpected '１'"),
    "minus sign": (START + "X -> ; X − 1", "line 2, column 10: unexpected '−'"),
    "no-break space": (START + "X -> ;\u00a0X", "line 2, column 7: unexpected '\\\\xa0'"),
    "reversed text": (START + "X -> ; \u202ek*X", "line 2, column 8: unexpected '\\\\u202e'"),
    "open comment": (START + "/* no end", "line 2, column 1: .*the comment is not closed"),
    "open quotes": (START + 'X is "name', "line 2, column 6: .*close the quotes"),
    "missing end": ("model m\n" + START, "line 2, column 28: unexpected end of the line: .*'end'"),
    "end alone": (START + "end", "line 2, column 1: unexpected 'end'"),
    "model in a model": ("model a\nmodel b\n" + START + "end\nend", "line 2, column 1: unexpected 'model'"),
    "function of itself": ("function f(x) f(x); end\n" + START + "X -> ; f(X)", "line 1, .*nested deeper than 100"),
    "functions in a ring": (
        "function f(x) g(x); end\nfunction g(x) f(x); end\n" + START + "X -> ; f(X)",
        "line [12], .*nested deeper than 100",
    ),
    "exponential functions": (doubling(25) + "\n" + START + "X -> ; f24(X)", "line .*more than 200,000 pieces"),
    "function of a word": ("function end(x) x; end", "line 1, column 10: unexpected 'end'"),
    "twice": (START + "species X = 5", "line 2, column 9: 'X' is given a value twice, first in line 1"),
    "two models": ("model a\nX = 1\nend\nmodel b\nY = 1\nend", "line 4, column 7: a second model in one file"),
    "circle": (START + "a := b + 1; b := a*2", "line 2, column .*is defined by itself: "),
    "circle of values": (START + "a = b + 1; b = a*2", "line 2, column .*is defined by itself: "),
    "rules without end": (
        START + "\n".join(["r0 := X + 1", *(f"r{i} := r{i - 1}*(r{i - 1} + {i})" for i in range(1, 60)), "X -> ; r59"]),
        "line .*with its rules written out the law has 20,000 pieces",
    ),
    "event in a circle": (START + "E: at (E > 3): X = 1", "line 2, column 8: unknown name 'E'"),
    "event with 200 deep trigger": (START + "at (" * 200, "line 2, column .*(deeper|unexpected)"),
    "SBML": ("<?xml version='1.0'?><sbml/>", "line 1, column 1: unexpected '<'.*; this is SBML"),
    "page": ("<!DOCTYPE html><html>", "line 1, column 1: unexpected '<'"),
    "pickle": (b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix", "is not UTF-8 text"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused_at_once(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    path = tmp_path / "bad.ant"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    before = time.process_time()
    with pytest.raises(kx.KinetixError, match=message) as caught:
        kx.load(path)
    assert time.process_time() - before < 2
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    assert len(line) < 700
    assert all(len(row) < 200 for row in (caught.value.excerpt or "").splitlines())


@pytest.mark.parametrize(
    "text",
    [
        START.replace("\n", "\r\n") + "X -> ; k*X\r\n",
        START.replace("\n", "\r") + "X -> ; k*X",
        "\ufeff" + START + "X -> ; k*X",
    ],
)
def test_line_ends_and_a_mark_are_fine(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.ant").write_bytes(text.encode())
    assert len(kx.load(tmp_path / "a.ant").reactions) == 1
