"""All of Antimony, by its own library (the extra `antimony`): text to SBML, and that by the SBML reader.

Symbols mean what the library says: a species in a compartment is a concentration, laws are in amounts
per time. The library runs in a process of its own, with little time and memory and no file to open,
since a text of a few lines can keep it busy for ever; `import` is refused before it sees the text.
L. P. Smith, F. T. Bergmann, D. Chandran, H. M. Sauro, Bioinformatics 25 (2009) 2452,
doi:10.1093/bioinformatics/btp401.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from unicodedata import category

from kinetix.errors import KinetixError, ModelError, SettingError, UnsupportedFeature
from kinetix.network import ReactionNetwork

from .guard import MAX_BYTES, scan
from .library_process import MEGABYTES, SECONDS, GaveUpError, ask

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 100

_IMPORT = re.compile(r'\bimport\b(?:\s|/\*.*?\*/)*"', re.DOTALL)
_ASIDE = re.compile(r'```.*?```|//[^\n]*|#[^\n]*|/\*.*?\*/|"[^"\n]*"', re.DOTALL)
_STRAND = re.compile(r"--(?!>)|(?:^|;)\s*(?:DNA|gene|operator)\b", re.MULTILINE)
_LINE = re.compile(r"Error in (?:model string|file [^,]*), line (\d+):\s*")


def read(path: Path, *, law: str = "auto", scale: float | str | None = None) -> ReactionNetwork:
    """The reaction network of a file in Antimony, as `sbml.read` reads what the library makes of it."""
    with path.open("rb") as file:
        data = file.read(MAX_CHARACTERS + 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        reason = f"byte {problem.start} (0x{data[problem.start]:02x}) is not UTF-8 text"
        raise ModelError(reason, file=str(path), mend="save the file as UTF-8") from None
    try:
        return _network(to_sbml(text), path, law, scale)
    except KinetixError as problem:
        raise problem.within(str(path)) from problem.__cause__


def to_sbml(text: str) -> str:
    """The SBML text that the Antimony library makes of a text."""
    _require_harmless(text)
    if find_spec("antimony") is None:
        mend = 'install it: pip install "kinetix-cme[antimony]"'
        raise SettingError("reading all of Antimony needs the package antimony", place="format", mend=mend)
    try:
        done, answer = ask("antimony", text)
    except GaveUpError:
        raise _too_much() from None
    if not done:
        raise _refused(answer)
    return answer


def _network(sbml: str, path: Path, law: str, scale: float | str | None) -> ReactionNetwork:
    from .sbml import from_text

    data = sbml.encode()
    if len(data) > MAX_BYTES:
        raise ModelError(f"as SBML the model is larger than {MAX_BYTES // 10**6} MB")
    scan(data)
    return from_text(sbml, path, law=law, scale=scale)


def _require_harmless(text: str) -> None:
    """Refuse what the library must not see: too long, too deep, other files, binary."""
    if len(text) > MAX_CHARACTERS:
        raise ModelError(f"the text has more than {MAX_CHARACTERS:,} characters", mend="no real model has; check it")
    for line, row in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if odd := next((c for c in row if category(c) == "Cc" and c != "\t"), None):
            raise ModelError(f"the control character U+{ord(odd):04X} is no text", place=f"line {line}")
    if found := _IMPORT.search(text):
        raise _unsupported(text, found.start(), "the import of another file", "put the models into one file")
    bare = _ASIDE.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)
    if found := _STRAND.search(bare):
        raise _unsupported(bare, found.end() - 1, "a DNA strand", "write one reaction for each step")
    depth = 0
    for i, character in enumerate(bare):
        depth += (character == "(") - (character == ")")
        if depth > MAX_DEPTH:
            line = text.count("\n", 0, i) + 1
            raise ModelError(f"parentheses are nested deeper than {MAX_DEPTH}", place=f"line {line}")


def _unsupported(text: str, position: int, feature: str, mend: str) -> KinetixError:
    line = text.count("\n", 0, position) + 1
    return UnsupportedFeature(f"{feature} is not supported", place=f"line {line}", mend=mend)


def _refused(answer: str) -> KinetixError:
    """The library's own complaint: its line, and the first sentences of the reason."""
    found = _LINE.search(answer)
    reason = answer[found.end() :] if found else answer
    parts = [part.strip() for part in reason.split("\n\n") if part.strip()]
    reason = parts[1] if len(parts) > 1 and "SBML error(s)" in parts[0] else parts[0] if parts else "it gives no reason"
    place = f"line {found.group(1)}" if found else None
    return ModelError(f"the Antimony library refuses it: {' '.join(reason.split())[:300]}", place=place)


def _too_much() -> KinetixError:
    reason = f"the Antimony library did not finish within {SECONDS} s and {MEGABYTES} MB"
    return ModelError(reason, mend="write the model as SBML, or in pieces")
