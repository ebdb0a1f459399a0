"""A look at an untrusted XML file before any library parses it: size, depth, entities, number texts.

libsbml ends the process on deeply nested mathematics, and reads the numbers `abc`, `0x10` and
`1 2` as 0, 0 and 1 without a word. A streaming pass over the text (expat, no recursion) refuses such
files, with the line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from kinetix.errors import ModelError

MAX_BYTES = 5_000_000
MAX_DEPTH = 100
MAX_ELEMENTS = 500_000
MAX_ID = 256
MAX_INTEGER = 2**31 - 1
"""libsbml keeps whole numbers in 32 bits."""

_MATHML = "http://www.w3.org/1998/Math/MathML"
_CORE = re.compile(r"http://www\.sbml\.org/sbml/level(1|2|2/version\d|3/version\d/core)")
_VERSIONS: Mapping[str, tuple[str, ...]] = {
    "http://www.sbml.org/sbml/level1": ("1 1", "1 2"),
    "http://www.sbml.org/sbml/level2": ("2 1",),
    **{f"http://www.sbml.org/sbml/level2/version{v}": (f"2 {v}",) for v in (2, 3, 4, 5)},
    **{f"http://www.sbml.org/sbml/level3/version{v}/core": (f"3 {v}",) for v in (1, 2)},
}
"""Namespace -> the levels and versions that it stands for."""
_REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_NAMES = frozenset({"id", "species", "variable", "symbol", "compartment"})
_NUMBERS = frozenset({"value", "size", "volume", "initialAmount", "initialConcentration", "stoichiometry"})
_WORDS = frozenset({"INF", "-INF", "NaN"})
_PROSE = frozenset({"annotation", "notes", "message"})


def read_text(path: Path) -> str:
    """The text of an XML file that is safe to hand on; ModelError with the line for any other.

    Raises OSError where the system cannot read. The file's own encoding is undone: the text returned
    declares UTF-8.
    """
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ModelError(f"the file is larger than {MAX_BYTES // 10**6} MB", mend="no real model is; check the file")
    if data[:2] == b"\x1f\x8b":
        raise ModelError("the file is compressed", mend="unpack it first")
    return _decoded(data, scan(data))


def scan(data: bytes) -> str:
    """Check the bytes of an XML document; return the name of its encoding. Raises ModelError."""
    watch = _Watch()
    parser = expat.ParserCreate(namespace_separator=" ")
    watch.line = lambda: parser.CurrentLineNumber
    parser.StartElementHandler = watch.start
    parser.EndElementHandler = watch.end
    parser.CharacterDataHandler = watch.text
    parser.StartDoctypeDeclHandler = watch.doctype
    parser.XmlDeclHandler = watch.declaration
    try:
        parser.Parse(data, True)
    except expat.ExpatError as problem:
        raise ModelError(
            f"is not well-formed XML: {expat.ErrorString(problem.code)}",
            place=f"line {problem.lineno}",
            mend="the file may be cut short or damaged",
        ) from problem
    except (UnicodeError, LookupError, ValueError) as problem:
        raise ModelError(f"the XML cannot be decoded: {problem}") from problem
    return watch.encoding


@dataclass
class _Watch:
    """The handlers of one pass; holds a depth, some counts and the text of one number."""

    line: Callable[[], int] = int
    encoding: str = "UTF-8"
    core: str | None = None
    """The namespace of the file's level and version, once its root has been seen."""
    depth: int = 0
    elements: int = 0
    prose: int = 0
    """Depth at which a note or annotation began, or 0: what lies within is nobody's mathematics."""
    number: Mapping[str, str] | None = None
    parts: list[str] = field(default_factory=list)
    name: list[str] | None = None

    def refuse(self, reason: str, mend: str | None = None) -> ModelError:
        return ModelError(reason, place=f"line {self.line()}", mend=mend)

    def declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        self.encoding = encoding or "UTF-8"

    def doctype(self, *_: object) -> None:
        raise self.refuse("a DOCTYPE (and with it entities) is not accepted", "delete the declaration")

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.depth += 1
        self.elements += 1
        if self.depth > MAX_DEPTH:
            raise self.refuse(f"elements are nested more than {MAX_DEPTH} deep")
        if self.elements > MAX_ELEMENTS:
            raise self.refuse(f"there are more than {MAX_ELEMENTS} elements")
        namespace, _, name = tag.rpartition(" ")
        if self.depth == 1 and name == "sbml":
            self._root(namespace, attributes)
        if self.prose:
            return
        if name in _PROSE:
            self.prose = self.depth
        elif namespace == _MATHML:
            self._mathematics(name, attributes)
        elif _CORE.fullmatch(namespace):
            if self.core not in (None, namespace):
                raise self.refuse(f"<{name[:80]}> is of another level or version than the file")
            self._attributes(name, attributes)

    def _root(self, namespace: str, attributes: Mapping[str, str]) -> None:
        """Refuse a namespace that is not that of the level and version: libsbml would end the process."""
        told = f"{attributes.get('level', '')} {attributes.get('version', '')}"
        if told not in _VERSIONS.get(namespace, ()):
            what = f"level and version {told[:40]!r} with the namespace {namespace[:80]!r}"
            raise self.refuse(f"not valid SBML: {what}", "give the namespace of the file's level and version")
        self.core = namespace

    def _mathematics(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "sep" and self.number is not None:
            self.parts.append("")
        elif self.number is not None:
            raise self.refuse(f"a number contains the element <{name}>")
        elif name == "cn":
            self.number, self.parts = dict(attributes), [""]
        elif name in ("ci", "csymbol"):
            self.name = []

    def _attributes(self, name: str, attributes: Mapping[str, str]) -> None:
        for key, value in attributes.items():
            if key in _NAMES and len(value) > MAX_ID:
                raise self.refuse(f"the {key} of a <{name}> is longer than {MAX_ID} characters")
            if key in _NUMBERS and (reason := _fault_of_attribute(value)):
                owner = attributes.get("id") or attributes.get("species") or ""
                raise self.refuse(f"{key}={value[:40]!r} of <{name}> {owner[:MAX_ID]} {reason}")

    def text(self, data: str) -> None:
        if self.number is not None:
            self.parts[-1] += data
            if len(self.parts[-1]) > 1000:
                raise self.refuse("a number has more than 1000 digits")
        elif self.name is not None:
            self.name.append(data)

    def end(self, tag: str) -> None:
        if self.prose == self.depth:
            self.prose = 0
        self.depth -= 1
        name = tag.rpartition(" ")[2]
        if name == "cn" and self.number is not None:
            reason = fault_of_number(self.number.get("type", "real"), self.parts, self.number.get("base", "10"))
            if reason:
                raise self.refuse(f"the number {' '.join(p.strip() for p in self.parts)[:40]!r} {reason}")
            self.number = None
        elif name in ("ci", "csymbol") and self.name is not None:
            if len("".join(self.name).strip()) > MAX_ID:
                raise self.refuse(f"a name in a formula is longer than {MAX_ID} characters")
            self.name = None


def fault_of_number(kind: str, parts: list[str], base: str = "10") -> str | None:
    """What is wrong with the text of a MathML number of a type, or None."""
    texts = [part.strip() for part in parts]
    if base.strip() != "10":
        return f"is in base {base[:20]!r}; only 10 is read"
    if kind not in ("real", "integer", "rational", "e-notation"):
        return f"has the unknown type {kind[:20]!r}"
    if len(texts) != (2 if kind in ("rational", "e-notation") else 1):
        return f"does not have the parts of the type {kind!r}"
    if kind in ("integer", "rational"):
        if not all(map(_WHOLE.fullmatch, texts)):
            return f"is not written in whole numbers, as the type {kind!r} demands"
        if any(abs(int(t)) > MAX_INTEGER for t in texts):
            return "is too large a whole number; write it as a real number"
        return "is divided by zero" if kind == "rational" and int(texts[1]) == 0 else None
    if kind == "e-notation":
        if not _REAL.fullmatch(texts[0]) or not _WHOLE.fullmatch(texts[1]):
            return "is not a number with a whole exponent"
        if "e" in texts[0].lower():
            return "has two exponents"
        return _fault_of_real(f"{texts[0]}e{texts[1]}")
    return _fault_of_real(texts[0])


def _fault_of_attribute(text: str) -> str | None:
    stripped = text.strip()
    return None if stripped in _WORDS else _fault_of_real(stripped)


def _fault_of_real(text: str) -> str | None:
    if len(text) > 1000 or not _REAL.fullmatch(text):
        return "is not a decimal number"
    value = float(text)
    if not math.isfinite(value):
        return "is too large for a floating-point number"
    if value == 0 and re.search("[1-9]", text.lower().partition("e")[0]):
        return "is too small for a floating-point number"
    return None


def _decoded(data: bytes, encoding: str) -> str:
    try:
        text = data.decode("utf-8-sig" if encoding.upper() in ("UTF-8", "UTF8") else encoding)
    except (UnicodeError, LookupError) as problem:
        raise ModelError(f"the text is not in the encoding that it declares, {encoding}") from problem
    if text.startswith("<?xml"):
        head, _, rest = text.partition("?>")
        text = '<?xml version="1.0" encoding="UTF-8"?>' + "\n" * head.count("\n") + rest
    return text
