"""The reaction language of kinetix: text to a reaction network, in molecule counts.

A subset of Antimony plus one law, `mass_action(k)`. Any other law is the whole propensity, taken
verbatim. Nothing in the text is ever evaluated as code: the grammar's tree is walked node by node.
L. P. Smith, F. T. Bergmann, D. Chandran, H. M. Sauro, Bioinformatics 25 (2009) 2452,
doi:10.1093/bioinformatics/btp401.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lark import Token

from kinetix.errors import ModelError, SettingError
from kinetix.network import Parameter, ReactionNetwork, Species

from .dsl_channels import events_of, rates_of, reactions_of
from .dsl_meaning import Meaning
from .dsl_source import ANTIMONY
from .dsl_statements import gather
from .dsl_syntax import MAX_CHARACTERS, parse_tree


def read(path: Path, *, law: str = "auto", scale: float | None = None) -> ReactionNetwork:  # noqa: ARG001
    """The network in a file of the reaction language; laws are verbatim whatever `law` says."""
    if scale is not None:
        reason = "the reaction language counts molecules: there is nothing to scale"
        raise SettingError(reason, file=str(path), place="scale", mend="leave scale out")
    data = path.read_bytes()
    if len(data) > MAX_CHARACTERS:
        raise ModelError(f"the file has {len(data):,} bytes; the limit is {MAX_CHARACTERS:,}", file=str(path))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        reason = f"byte {problem.start} (0x{data[problem.start]:02x}) is not UTF-8 text"
        raise ModelError(reason, file=str(path), mend="save the file as UTF-8") from None
    return parse(text, name=path.stem, source=path.name)


def parse(text: str, *, name: str | None = None, source: str | None = None) -> ReactionNetwork:
    """The network that a text describes; `name` serves where the text names none."""
    where, tree = parse_tree(text)
    return _network(Meaning(gather(where, tree)), name or "model", source)


def _network(meaning: Meaning, name: str, source: str | None) -> ReactionNetwork:
    """The whole network, validated."""
    draft = meaning.draft
    if not (draft.species or draft.values or draft.declared or draft.rules or draft.compartments or draft.rates):
        raise ModelError("there is no model in it", mend="declare a species, as: species X = 0")
    _refuse_contradictions(meaning)
    species = [Species(s, meaning.count(s), meaning.home(s)) for s in meaning.counted]
    constants = [Parameter(n, meaning.value(n), kind) for n, kind in meaning.constants.items()]
    _refuse_concentrations(meaning, {c.name: c.value for c in constants})
    uncounted = [s for s in draft.species if s not in meaning.counted]
    return ReactionNetwork(
        species,
        [Parameter(n, meaning.value(n)) for n in meaning.parameters],
        reactions_of(meaning),
        name=draft.name or name,
        constants=constants,
        variables=meaning.variables,
        events=events_of(meaning),
        rate_rules=rates_of(meaning),
        homes={s: home for s in uncounted if (home := meaning.home(s)) is not None},
        source=source,
        worked_out=meaning.worked_out,
    )


def _refuse_contradictions(meaning: Meaning) -> None:
    draft, source = meaning.draft, meaning.source
    for name, token in meaning.compartments.items():
        if name in draft.species:
            raise source.refusal(token, f"{name!r} is both a species and a compartment", "rename one")
    by_rule = {name: token for name, (token, _) in draft.rules.items()}
    by_rate = {name: token for name, (token, _) in draft.rates.items()}
    kinds = (("a rule (:=)", by_rule), ("a rate rule", by_rate), ("an event", draft.set_by_events))
    for what, book in kinds:
        for name, token in book.items():
            if name in draft.fixed:
                raise source.refusal(token, f"{name!r} is const, but {what} varies it", "keep one")
            if what != "a rule (:=)" and name in by_rule:
                raise source.refusal(token, f"{name!r} is defined by a rule (:=), but {what} sets it", "keep one")
    for reaction in draft.reactions:
        for member in reaction.members:
            changes = "a rule (:=)" if member.name in by_rule else "a rate rule" if member.name in by_rate else ""
            if changes and member.name not in draft.boundary:
                reason = f"{changes} sets {str(member.name)!r}, and this reaction changes it"
                raise source.refusal(member.name, reason, f"write ${member.name!s} here, or drop the rule")
            _refuse_amounts(meaning, member.name, member.multiples)


def _refuse_amounts(meaning: Meaning, species: Token, names: Iterable[Token]) -> None:
    """A name before a species is its amount: a forgotten plus is seen here."""
    for name in names:
        if name in meaning.draft.species or name in meaning.compartments:
            what = "species" if name in meaning.draft.species else "compartment"
            reason = f"the {what} {str(name)!r} stands before {str(species)!r}, where an amount would stand"
            raise meaning.source.refusal(name, reason, f"write + between species: {name!s} + {species!s}")
        if name not in meaning.known:
            reason = f"{str(name)!r} stands before {str(species)!r} as its amount, and has no value"
            mend = f"write + between species, or give it a value: {name!s} = ..."
            raise meaning.source.refusal(name, reason, mend)


def _refuse_concentrations(meaning: Meaning, sizes: dict[str, float]) -> None:
    """Antimony means a concentration where a species lies in a compartment: only amounts are counts."""
    for name, token in meaning.draft.species.items():
        home = meaning.home(name)
        if home is None or name in meaning.draft.amounts:
            continue
        varies = home in meaning.varying
        if varies or sizes[home] != 1:
            size = "whose size varies" if varies else f"of size {sizes[home]:g}"
            reason = f"species {name!r} lies in {home!r} {size}, so it is a concentration"
            mend = f"write substanceOnly species {name} in {home}, and laws in counts, {ANTIMONY}"
            raise meaning.source.refusal(token, reason, mend)
