"""Inputs for fuzzing: damaged SBML files, texts that nearly follow the grammar of the reaction language, odd tables.

Input i of a seed is the same on every machine: `make(seed, i)`.
"""

from __future__ import annotations

import random
import re
from functools import cache

from tests.exact import ROOT

NUMBERS = (
    *("0", "1", "-1", "2", "0.5", "1e400", "-1e400", "1e-400", "NaN", "INF", "-INF", "1e308", "9007199254740993"),
    *("99999999999999999999", "0x10", "1,5", "1e", "--1", "", " ", "1 2", "½", "1_000", "1e5", "2147483648", "nan"),
)
NAMES = (
    "X",
    "Y",
    "Z",
    "k",
    "q",
    "n",
    "C",
    "S",
    "E",
    "I",
    "lambda",
    "None",
    "pi",
    "time",
    "at",
    "in",
    "end",
    "x_",
    "_1",
)
FUNCTIONS = ("exp", "ln", "log", "sqrt", "abs", "floor", "factorial", "sin", "acsch", "f", "g", "mass_action", "delay")
OPERATORS = (*"+-*/^", "<", "<=", "==", "!=", "&&", "||")
JUNK = ("\0", "\ufeff", "β", "'", '"', "/*", "*/", "//", "#", "->", "=>", ":=", ":", ";", "(", ")", ",", "$", "!", "--")
LINES = ("\n", "\n", ";", "\r\n", "\r", "; ", "\n\n")
MATHS = ("<apply/>", "<ci>X</ci>", "<cn>abc</cn>", "<piecewise/>", "<lambda/>", "<infinity/>", "<bvar/>", "<sep/>")


def make(seed: int, index: int) -> tuple[str, bytes]:
    """The file ending and the content of one input: six of ten are SBML, three texts, one a table."""
    draw = random.Random(f"{seed}/{index}")
    kind = index % 10
    if kind < 6:
        return ".xml", damaged(draw)
    if kind < 9:
        return ".ant", text(draw).encode("utf-8", "surrogatepass")
    return ".csv", table(draw)


@cache
def models() -> tuple[bytes, ...]:
    """The public models of at most 20 kB."""
    files = sorted((ROOT / "tests" / "data").rglob("*.xml")) + sorted((ROOT / "examples" / "models").glob("*.xml"))
    return tuple(f.read_bytes() for f in files if f.stat().st_size <= 20_000)


# damaged models ------------------------------------------------------------------------------------


def damaged(draw: random.Random) -> bytes:
    """A public model with one to six places changed, the first blind to what they are."""
    data = draw.choice(models())
    for _ in range(draw.choice((1, 1, 1, 1, 2, 4))):
        data = draw.choice((_bytes, _span, _number, _number, _attribute, _attribute, _element, _element, _maths))(
            draw, data
        )
    return data


def _bytes(draw: random.Random, data: bytes) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.randbytes(draw.randint(1, 4)) + data[at + draw.randint(0, 4) :]


def _span(draw: random.Random, data: bytes) -> bytes:
    """Leave out, double or cut off."""
    a = draw.randrange(len(data) + 1)
    b = min(len(data), a + draw.choice((1, 10, 100, 1000)))
    return draw.choice((data[:a] + data[b:], data[:b] + data[a:], data[:b]))


def _number(draw: random.Random, data: bytes) -> bytes:
    return _replaced(draw, data, rb'(?<=[ ">])[0-9][0-9.eE+-]*(?=[ "<])', draw.choice(NUMBERS).encode())


def _attribute(draw: random.Random, data: bytes) -> bytes:
    """Give an attribute the value of another one, another name, or none."""
    values = re.findall(rb'"[^"<>]*"', data) or [b'""']
    if draw.random() < 0.6:
        return _replaced(draw, data, rb'"[^"<>]*"', draw.choice(values))
    return _replaced(
        draw, data, rb' [A-Za-z]+="[^"<>]*"', draw.choice((b"", b' id="X"', b' id="time"', b' fast="true"'))
    )


def _element(draw: random.Random, data: bytes) -> bytes:
    """Double an element, leave it out, or call it as another one."""
    names = re.findall(rb"<([A-Za-z]+)", data) or [b"a"]
    one, other = draw.choice(names), draw.choice(names)
    if draw.random() < 0.4:
        return re.sub(rb"(</?)" + one + rb"\b", rb"\1" + other, data)
    found = list(re.finditer(rb"<" + one + rb"\b(?:[^>]*/>|.*?</" + one + rb">)", data, re.DOTALL))
    if not found:
        return data
    a, b = draw.choice(found).span()
    return draw.choice((data[:a] + data[b:], data[:b] + data[a:], data[:a] + data[a:b] * 3 + data[b:]))


def _maths(draw: random.Random, data: bytes) -> bytes:
    depth = draw.choice((1, 3, 50, 200))
    deep = b"<apply><plus/>" * depth + draw.choice(MATHS).encode() + b"</apply>" * depth
    return _replaced(draw, data, rb"<c[in]\b[^>]*>[^<]*</c[in]>", draw.choice((deep, draw.choice(MATHS).encode())))


def _replaced(draw: random.Random, data: bytes, pattern: bytes, new: bytes) -> bytes:
    found = list(re.finditer(pattern, data))
    if not found:
        return data
    a, b = draw.choice(found).span()
    return data[:a] + new + data[b:]


# texts of the reaction language ----------------------------------------------------------------------


def text(draw: random.Random) -> str:
    """Statements of the grammar; most names have values, and one text in two has something wrong in it."""
    lines = [f"species {name} = {draw.randint(0, 9)}" for name in ("X", "Y", "Z")]
    lines += [f"{name} = {draw.choice(NUMBERS[:5])}" for name in ("k", "q", "n")]
    lines += [_statement(draw) for _ in range(draw.choice((1, 1, 2, 3, 6)))]
    draw.shuffle(lines)
    whole = "".join(line + draw.choice(LINES) for line in lines)
    if draw.random() < 0.3:
        whole = f"model {draw.choice(NAMES)}()\n{whole}end\n"
    for _ in range(draw.choice((0, 0, 0, 0, 1, 2, 5))):
        at = draw.randrange(len(whole) + 1)
        cut = at + draw.choice((0, 0, 1, 5))
        whole = whole[:at] + draw.choice((*JUNK, *NAMES, *NUMBERS, "")) + whole[cut:]
    return whole


def _statement(draw: random.Random) -> str:
    name = draw.choice(("a", "b", "c", *NAMES[:8]))
    match draw.randrange(11):
        case 0 | 1 | 2 | 3:
            label = draw.choice(("", "", f"r{draw.randint(0, 9)}: "))
            return f"{label}{_side(draw)} {draw.choice(('->', '->', '=>'))} {_side(draw)}; {_law(draw)}"
        case 4:
            options = draw.choice(("", "", ", t0=false", ", persistent=false, fromTrigger=false", ", priority=2"))
            trigger = f"{_formula(draw, 2)} > {_formula(draw, 1)}"
            return f"E{draw.randint(0, 9)}: at ({trigger}){options}: X = {_formula(draw, 2)}"
        case 5:
            return f"w{draw.randint(0, 9)} := {_formula(draw, 3)}"
        case 6:
            return f"{name}' = {_formula(draw, 3)}"
        case 7:
            return f"function {draw.choice('fg')}(x, y)\n  {_formula(draw, 3).replace('X', 'x').replace('k', 'y')}\nend"
        case 8:
            return f"compartment {name} = {draw.choice(NUMBERS[:5])}; substanceOnly species W in {name} = 2"
        case 9:
            word = draw.choice(("const", "var", "species", "compartment"))
            return f"{word} {draw.choice(('', '$'))}{name} = {_formula(draw, 2)}"
        case _:
            return f'{name} is "{draw.choice(JUNK).replace(chr(34), "")}"'


def _side(draw: random.Random) -> str:
    amounts = ("", "", "", "2 ", "1.5 ", "n ", "$", "0 ", "99999999999999999999 ")
    return " + ".join(draw.choice(amounts) + draw.choice("XYZ") for _ in range(draw.randint(0, 2)))


def _law(draw: random.Random) -> str:
    return draw.choice((_formula(draw, 4), f"mass_action({_formula(draw, 1)})", "k*X"))


def _formula(draw: random.Random, depth: int) -> str:
    if depth == 0 or draw.random() < 0.2:
        return draw.choice((*("XYZkqn" * 5), "time", "pi", *NUMBERS[:5], "1e308", draw.choice(NAMES)))
    a, b = _formula(draw, depth - 1), _formula(draw, depth - 1)
    return draw.choice(
        (
            f"{a} {draw.choice('+-*/')} {b}",
            f"({a} {draw.choice('+-*/^')} {b})",
            f"({a}){draw.choice('+*/^' if draw.random() < 0.9 else OPERATORS)}({b})",
            f"{draw.choice(FUNCTIONS[:9] if draw.random() < 0.9 else FUNCTIONS)}({a})",
            f"{draw.choice(('max', 'min', 'pow', 'root', 'log', 'mod'))}({a}, {b})",
            f"piecewise({a}, {b} > {draw.choice('XYk')}, {_formula(draw, 0)})",
            f"-{a}",
        )
    )


# tables ----------------------------------------------------------------------------------------------


def table(draw: random.Random) -> bytes:
    """A table of counts with a time column, and something odd in most of them."""
    separator = draw.choice(",,,;\t")
    columns = ["time", *draw.sample(("X", "Y", "Z", "M", "X", "", "time"), draw.randint(0, 3))]
    rows = [columns] + [[str(draw.randint(0, 20)) for _ in columns] for _ in range(draw.randint(0, 6))]
    for _ in range(draw.choice((0, 1, 1, 2, 4))):
        row = draw.choice(rows)
        odd = draw.choice((*NUMBERS, *JUNK, "=1+1", "1.5", "-3", "1e300", "9" * 400))
        if row and draw.random() < 0.8:
            row[draw.randrange(len(row))] = odd
        else:
            row.append(odd)
    whole = draw.choice(("\n", "\n", "\r\n", "\r")).join(separator.join(row) for row in rows)
    data = whole.encode(draw.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le")), "replace")
    return _bytes(draw, data) if draw.random() < 0.3 else data
