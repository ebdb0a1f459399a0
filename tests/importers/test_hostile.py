"""Bad files: each is one line in little time and memory, or a model that means what it says; never a crash."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kinetix as kx
from tests.exact import ROOT
from tests.importers.small_sbml import NAMESPACES, function, load, model, parameter, reaction, species

FOLDER = ROOT / "tests" / "data" / "hostile"
FINE = ("h00", "h38", "h41", "h42", "h46")
LINES = {
    "h01": "line 2: is not well-formed XML: unclosed token; the file may be cut short or damaged",
    "h10": "reaction 'r': has no kinetic law; give it a rate",
    "h12": "line 2: not valid SBML: Invalid 'species' attribute value in SpeciesReference object: The "
    "<speciesReference> in the <reaction> with id 'r' references species 'Ghost', which is undefined [SBML 21111]",
    "h16": "function 'f': the function 'f' calls itself: f -> f; break the cycle",
    "h21": "algebraic rule: algebraic rules are not supported; solve it for one variable",
    "h36": "parameter 'k': has no value; set it in the file",
    "h51": "reaction 'r': a flux-balance model (package 'fbc') has no rates",
}
MEAN_FIELD_ONLY = {
    "h29": ("KX105", "1.5", "takes or makes 1.5 of 'X'; counts change by whole numbers", "scale the stoichiometry"),
    "h32": (
        "KX106",
        "10.5",
        "starts at 10.5, which is not a whole count",
        "load with scale=..., the molecules in one unit",
    ),
}

LOADER = """
import json, pathlib, resource, sys
import kinetix as kx
kx.load(sys.argv[1])  # what the libraries themselves need, loaded once
result = {}
def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
for path in sys.argv[2:]:
    before = used()
    try:
        kx.load(path)
        line = "read"
    except kx.KinetixError as problem:
        line = str(problem)
    result[path] = [line, used() - before]
status = pathlib.Path("/proc/self/status")  # getrusage would count what the parent had at the fork
lines = status.read_text().splitlines() if status.exists() else ["VmHWM: 0 kB"]
result["peak"] = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
print(json.dumps(result))
"""


def files(start: str) -> Path:
    return next(FOLDER.glob(f"{start}_*.xml"))


def test_every_file_has_its_verdict() -> None:
    assert {p.name[:3] for p in FOLDER.glob("*.xml")} == {*FINE, *LINES, *MEAN_FIELD_ONLY}


@pytest.mark.parametrize("name", LINES)
def test_refused_in_one_line(name: str) -> None:
    with pytest.raises(kx.KinetixError) as caught:
        kx.load(files(name))
    assert str(caught.value) == f"{files(name)}: {LINES[name]}"


@pytest.mark.parametrize("name", MEAN_FIELD_ONLY)
def test_what_no_count_can_be_is_refused_by_the_check_and_by_stochastic_solvers(name: str) -> None:
    network, (code, value, reason, mend) = kx.load(files(name)), MEAN_FIELD_ONLY[name]
    with pytest.raises(kx.ModelError) as caught:
        network.check().raise_for_errors()
    assert f"{code} " in str(caught.value)
    assert reason in str(caught.value)
    for solver in ("fsp", "ssa"):
        with pytest.raises(kx.KinetixError, match=rf"'X'.*{value}|X: starts at {value}|{value} of 'X'") as told:
            kx.solve(network, [1.0], solver=solver, seed=1)
        assert f"({code}); " in str(told.value)
    assert mend in str(network.check().errors[0].mend)
    assert not network.check(solver="mean-field").errors


@pytest.mark.parametrize("name", FINE)
def test_read(name: str) -> None:
    assert len(kx.load(files(name)).reactions) == (2 if name == "h38" else 1)


def test_names_of_python_run() -> None:
    solution = kx.solve(kx.load(files("h46")), [5.0], solver="fsp")
    assert solution.species == ("lambda", "None")
    assert abs(solution.mean("None")[0] - 100 * (1 - 2.718281828459045**-0.5)) < 1e-6


# made here: too deep, too large, endless -------------------------------------------------------------


def simple(law: str, functions: tuple[str, ...] = ()) -> str:
    return model(reaction("X ->", law), species_=species("X"), parameters=parameter("k"), functions=functions)


def around(inner: str, depth: int) -> str:
    """A formula within so many parentheses of MathML."""
    deep = "<apply><plus/>" * depth + f"{inner}" + "<cn>1</cn></apply>" * depth
    return simple("12345").replace('<cn type="integer"> 12345 </cn>', deep)


def nightmares() -> Iterator[tuple[str, bytes, str]]:
    """Name, content and a part of the line that refuses it."""
    yield "deep", around("<ci>X</ci>", 5000).encode(), "nested more than 100 deep"
    yield "deeper", (b"<a>" * 1_500_000), "nested more than 100 deep"
    doubling = tuple(function(f"f{i}", f"lambda(x, f{i - 1}(x)*f{i - 1}(x + 1))") for i in range(1, 60))
    yield "doubling", simple("f59(X)", (function("f0", "lambda(x, x)"), *doubling)).encode(), "terms once its functions"
    bulky = tuple(function(f"f{i}", f"lambda(x, f{i - 1}(x)*f{i - 1}(x + {i}))") for i in range(1, 10))
    laws = (reaction("X ->", f"f9(X) + {j}", f"r{j}") for j in range(200))
    yield (
        "many laws",
        model(*laws, species_=species("X"), functions=(function("f0", "lambda(x, x)"), *bulky)).encode(),
        "nodes",
    )
    chain = tuple(function(f"f{i}", f"lambda(x, f{i - 1}(x + 1))") for i in range(1, 3000))
    yield "chain", simple("f2999(X)", (function("f0", "lambda(x, x)"), *chain)).encode(), "deep"
    yield "power", simple("k*X^(9^9^9)").encode(), "too large"
    yield "tower", simple("X*10^(10^9)").encode(), "too large"
    yield "factorial", simple("factorial(100000)*X").encode(), "factorial of 100000"
    yield "exponential", simple("exp(exp(exp(10)))").encode(), "too large"
    many = ",".join(f"{i}*X + {i}" for i in range(600))
    yield "choices", simple(f"max({many})").encode(), "minimum or maximum has more than 25 arguments"
    yield "bomb", gzip.compress(simple("k*X").encode() + b" " * 10_000_000), "compressed"
    yield "large", simple("k*X").encode() + b" " * 5_000_000, "larger than 5 MB"
    yield "many", b"<a>" + b"<b/>" * 600_000 + b"</a>", "more than 500000 elements"
    entities = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]>\n<sbml'
    yield "entities", simple("k*X").replace("<sbml", entities, 1).encode(), "DOCTYPE"
    yield "name", simple("k*X").replace('id="r"', f'id="{"r" * 300}"').encode(), "longer than 256"
    yield "zeros", b"\0" * 1000, "not well-formed XML"
    yield "noise", bytes(range(256)) * 40, "not well-formed XML"
    yield "utf-16", simple("k*X").replace("UTF-8", "UTF-16").encode(), "XML"
    yield "encoding", simple("k*X").replace("UTF-8", "no-such-code").encode(), "XML"
    rate_of = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/rateOf"> rateOf </csymbol>'
    bare = simple("12345").replace('<cn type="integer"> 12345 </cn>', f"<apply>{rate_of}</apply>")
    yield "rate of nothing", bare.encode(), "reaction 'r': 'rateOf' is not a function"
    other = "http://www.sbml.org/sbml/level2/version5"
    yield "level", simple("k*X").replace(NAMESPACES[3, 2], other).encode(), "not valid SBML: level and version '3 2'"
    yield "version", simple("k*X").replace(NAMESPACES[3, 2], "size://sbml").encode(), "with the namespace 'size://sbml'"
    mixed = simple("k*X").replace("<listOfSpecies>", f'<listOfSpecies xmlns="{other}">')
    yield "mixed", mixed.encode(), "<listOfSpecies> is of another level or version than the file"
    yield "cut", simple("k*X").encode()[:700], "not well-formed XML"


def numbers() -> Iterator[tuple[str, bytes, str]]:
    """Numbers that libsbml would repair without a word."""

    def with_number(inside: str, attributes: str = "") -> bytes:
        text = simple("12345*X")
        return text.replace('<cn type="integer"> 12345 </cn>', f"<cn{attributes}>{inside}</cn>").encode()

    yield "word", with_number("abc"), "'abc' is not a decimal number"
    yield "hexadecimal", with_number("0x10"), "'0x10' is not a decimal number"
    yield "two", with_number("1 2"), "'1 2' is not a decimal number"
    yield "infinite", with_number("1e400"), "'1e400' is too large"
    yield "tiny", with_number("1e-400"), "'1e-400' is too small"
    yield "broken integer", with_number("1.5", ' type="integer"'), "'1.5' is not written in whole numbers"
    yield "long integer", with_number("4294967297", ' type="integer"'), "too large a whole number"
    yield "base", with_number("10", ' type="integer" base="16"'), "is in base '16'"
    yield "zero divisor", with_number("1<sep/>0", ' type="rational"'), "is divided by zero"
    yield "no exponent", with_number("1", ' type="e-notation"'), "does not have the parts"
    yield "other type", with_number("1", ' type="complex-polar"'), "has the unknown type 'complex-polar'"
    yield "digits", with_number("1" * 2000), "more than 1000 digits"
    yield "comma", simple("k*X").replace('value="1"', 'value="1,5"').encode(), "value='1,5' of <parameter> k is not"
    yield "start", simple("k*X").replace('initialAmount="10"', 'initialAmount="1e999"').encode(), "is too large"


CASES = {name: (content, part) for name, content, part in (*nightmares(), *numbers())}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """Line and CPU seconds of each file, read one after the other in a process of its own; and the peak memory."""
    folder = tmp_path_factory.mktemp("hostile")
    paths = {}
    for name, (content, _) in CASES.items():
        paths[name] = folder / f"{name}.xml"
        paths[name].write_bytes(content)
    paths |= {p.stem: p for p in FOLDER.glob("*.xml")}
    command = [sys.executable, "-c", LOADER, str(files("h00")), *map(str, paths.values())]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stderr == ""
    result = json.loads(run.stdout)
    return {name: result[str(path)] for name, path in paths.items()} | {"peak": result["peak"]}


@pytest.mark.parametrize("name", CASES)
def test_refused_before_it_hurts(name: str, outcomes: dict[str, list]) -> None:
    """Mutants seen to fail: the depth unbounded (the process dies); formulas or whole models unbounded in size; numbers
    not compared with their text."""
    line, cpu = outcomes[name]
    assert CASES[name][1] in line
    assert f"{name}.xml: " in line
    assert "\n" not in line
    assert len(line) < 700
    assert cpu < 2


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
def test_memory_stays_small(outcomes: dict[str, list]) -> None:
    """Kilobytes; the libraries alone take about half of it."""
    assert outcomes["peak"] < 300_000


def test_depth_that_real_models_have_is_read() -> None:
    assert str(load(around("<ci>X</ci>", 60)).propensities[0]) == "X + 60"


def test_long_sums_products_and_roots_of_large_fractions_are_read() -> None:
    """Found wrong: sums of more than 150 terms refused, products of 1,000 a RecursionError, the root endless."""
    assert len(load(simple("+".join(f"X^2*k*{i}.5" for i in range(1, 400)))).propensities) == 1
    assert str(load(simple("*".join(["X"] * 900))).propensities[0]) == "X**900"
    assert str(load(simple("X/k/(2/k)/(1/(X*k))")).propensities[0]) == "X**2*k/2"
    root = load(simple("((123456789)/987654321)^((12345)/67891)*X")).propensities[0]
    assert float(root.coeff(root.free_symbols.pop())) == pytest.approx((123456789 / 987654321) ** (12345 / 67891))
