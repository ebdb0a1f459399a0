"""Findings: coded statements about a model, each with the element, the reason and the mend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal, overload

from .errors import ModelError

Severity = Literal["error", "warning", "note"]

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "KX101": "a reaction consumes reactants at a constant rate, also where there are none",
        "KX102": "a power law for a reactant that is consumed twice or more: distinct molecules meet",
        "KX103": "the net law of a reversible reaction: run as two channels, both shown",
        "KX104": "a net law that cannot be split: an error for stochastic solvers",
        "KX105": "stoichiometry that is fractional or varies: an error for stochastic solvers",
        "KX106": "an initial count that is not whole: an error for stochastic solvers, unless `scale=` makes it whole",
        "KX107": "amounts in moles: declared, an error for stochastic solvers; by Level 2's default, a warning",
        "KX108": "a law that is positive with too few molecules: a run stops at such a firing",
        "KX109": "a parameter that nothing uses",
        "KX110": "a reaction that can never fire",
        "KX111": "a species that no conservation law bounds",
        "KX112": "a law that contains the time",
        "KX113": "events",
        "KX114": "a construct that only the mean field runs: rate rules, compartments whose size varies",
    }
)
"""What each code says; codes never change their meaning."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement: `code` (KX101 ...), `severity`, the `element` it is about, `reason`, `mend`."""

    code: str
    severity: Severity
    element: str
    reason: str
    mend: str = ""

    def __str__(self) -> str:
        tail = f"; {self.mend}" if self.mend else ""
        return f"{self.code} {self.severity} {self.element}: {self.reason}{tail}"


@dataclass(frozen=True)
class Findings(Sequence[Finding]):
    """An immutable list of findings; `raise_for_errors()` turns the errors into one ModelError."""

    items: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, items: Iterable[Finding]) -> Findings:
        """The distinct findings in `items`, in order."""
        return cls(tuple(dict.fromkeys(items)))

    @property
    def errors(self) -> Findings:
        """Only the findings of severity error."""
        return Findings(tuple(item for item in self.items if item.severity == "error"))

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes present, sorted, each once."""
        return tuple(sorted({item.code for item in self.items}))

    def raise_for_errors(self) -> Findings:
        """Raise ModelError when a finding is an error; otherwise return the findings."""
        if errors := self.errors:
            raise ModelError(" | ".join(f"{e.code} {e.element}: {e.reason}" for e in errors), mend=errors[0].mend)
        return self

    def as_dicts(self) -> list[dict[str, str]]:
        """The findings as plain dictionaries, for JSON."""
        return [asdict(item) for item in self.items]

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> Findings: ...
    def __getitem__(self, index: int | slice) -> Finding | Findings:
        return Findings(self.items[index]) if isinstance(index, slice) else self.items[index]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __str__(self) -> str:
        return "\n".join(map(str, self.items)) or "no findings"
