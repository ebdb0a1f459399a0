"""Options as text into values: times, name=value pairs, and any setting of a solver as an option."""

from __future__ import annotations

import dataclasses
import itertools
import math
import shlex
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from kinetix.errors import SettingError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Seed = Annotated[int | None, typer.Option(help="Whole number; the same seed gives the same answer. Default: drawn.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter's value (repeatable).")]
Initial = Annotated[list[str] | None, typer.Option(metavar="NAME=COUNT", help="A start count (repeatable).")]
Law = Annotated[str, typer.Option(help="How SBML power laws are read: auto or verbatim.")]
Scale = Annotated[
    str | None,
    typer.Option(metavar="NUMBER|units", help="Molecules per unit of amount, for models in moles; units: as declared."),
]
Format = Annotated[str | None, typer.Option(help="sbml or dsl, where the file's name does not tell.")]

EXTRA = "kinetix.settings"


class SettingsCommand(TyperCommand):
    """A command that takes any setting of a solver as an option: `--paths 1000` or `--max-events=5`.

    Undeclared options are collected by name; the command judges them (`settings_of`).
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the undeclared `--name value` pairs out of `args`, then parse what is left as usual."""
        declared = {name for p in self.params for name in (*p.opts, *p.secondary_opts)} | {"--help"}
        valued = {name for p in self.params for name in p.opts if not getattr(p, "is_flag", False)}
        kept: list[str] = []
        extra: dict[str, str] = {}
        rest = iter(args)
        for word in rest:
            name, equals, value = word.partition("=")
            if word == "--":
                kept += [word, *rest]
            elif not word.startswith("--") or name in declared:
                kept.append(word)
                if word in valued:
                    kept += [following for following in [next(rest, None)] if following is not None]
            elif name.removeprefix("--").replace("-", "_") in extra:
                raise SettingError("is given twice", place=f"option {name}", mend="give it once")
            else:
                extra[name.removeprefix("--").replace("-", "_")] = value if equals else next(rest, "")
        ctx.meta[EXTRA] = (extra, sorted(n.removeprefix("--") for n in declared if n.startswith("--")))
        return list(super().parse_args(ctx, kept))


def settings_of(ctx: typer.Context, kind: type | None, owner: str, also: Mapping[str, type] | None = None) -> Any:
    """The undeclared options as typed settings of the dataclass `kind`; unknown ones are refused with a near miss.

    `also` holds further names and their types (keyword arguments of the verb).
    """
    extra, declared = ctx.meta.get(EXTRA, ({}, []))
    return _typed(extra, types_of_settings(kind, also), owner, declared=declared)


def settings_of_each(ctx: typer.Context, known: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The undeclared options `--solver.setting value` as typed settings of each solver, by name.

    `known` holds the types of each one's settings. An option of no solver is refused.
    """
    extra, _ = ctx.meta.get(EXTRA, ({}, []))
    owners = {name.replace("-", "_"): name for name in known}
    asked: dict[str, dict[str, str]] = {name: {} for name in known}
    for option, text in extra.items():
        owner, dot, setting = option.rpartition(".")
        if not dot or owner not in owners:
            reason = f"unknown option --{option.replace('_', '-')}"
            having = [name for name, hints in known.items() if setting in hints] if not dot else []
            mend = f"did you mean --{having[0]}.{setting.replace('_', '-')}?" if having else "use --solver.setting"
            raise SettingError(reason, place="solvers", mend=f"{mend} (there are: {', '.join(known)})")
        asked[owners[owner]][setting] = text
    return {name: _typed(texts, known[name], name, prefix=f"{name}.") for name, texts in asked.items()}


def types_of_settings(kind: type | None, also: Mapping[str, type] | None = None) -> dict[str, Any]:
    """The settings of the dataclass `kind` by name, with their types; `also` holds further ones."""
    hints: dict[str, Any] = dict(also or {})
    if kind is not None and dataclasses.is_dataclass(kind):
        types_of = typing.get_type_hints(kind)
        hints |= {f.name: types_of[f.name] for f in dataclasses.fields(kind) if f.init}
    return hints


def _typed(
    texts: Mapping[str, str], hints: Mapping[str, Any], owner: str, *, prefix: str = "", declared: Sequence[str] = ()
) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name, text in texts.items():
        option = f"--{prefix}{name.replace('_', '-')}"
        if name not in hints:
            raise SettingError(f"unknown option {option}", place=owner, mend=near_miss(name, hints, declared, prefix))
        if not text and hints[name] is not bool:
            raise SettingError("has no value", place=f"option {option}", mend="give one after it")
        settings[name] = converted(text or "true", hints[name], prefix + name)
    return settings


def command_line(ctx: typer.Context) -> str:
    """What was typed, to be typed again."""
    return shlex.join(["kinetix", *(ctx.obj or [])])


def none_or(text: str) -> str | None:
    """The text of an option, or nothing where it is the word none."""
    return None if text.lower() == "none" else text


def near_miss(name: str, hints: Iterable[str], declared: Sequence[str] = (), prefix: str = "") -> str:
    """The mend for a misspelt option: the nearest one, or all there are."""
    known = {n.replace("_", "-"): n for n in (*hints, *declared)}
    near = get_close_matches(name.replace("_", "-"), known, n=1)
    if near:
        return f"did you mean --{prefix}{near[0]}?"
    return f"there are: {', '.join(f'--{prefix}{n}' for n in sorted(known)) or 'none'}"


def converted(text: str, hint: Any, name: str) -> Any:
    """The text of an option as the type its setting asks for."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if types.NoneType in arguments and text.lower() in ("none", "null"):
            return None
        for option in (a for a in arguments if a is not types.NoneType):
            try:
                return converted(text, option, name)
            except SettingError:
                continue
        raise SettingError(f"cannot read {text!r}", place=f"option --{name.replace('_', '-')}")
    if origin is Literal:
        if text in arguments:
            return text
        raise SettingError(
            f"{text!r} is not possible", place=f"option --{name.replace('_', '-')}", mend=f"use one of {arguments}"
        )
    if hint is bool and text.lower() in ("true", "false", "yes", "no", "1", "0"):
        return text.lower() in ("true", "yes", "1")
    if hint is int:
        return _whole(text, name)
    if hint is float:
        return number(text, f"option --{name.replace('_', '-')}")
    if hint is str:
        return text
    if origin is tuple or origin in (Sequence, list):
        inner = [a for a in arguments if a is not Ellipsis] or [str]
        return tuple(converted(part.strip(), inner[0], name) for part in text.split(",") if part.strip())
    if origin in (Mapping, dict):
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        return {key.strip(): converted(value.strip(), arguments[1], name) for key, _, value in pairs}
    raise SettingError(f"cannot read {text!r}", place=f"option --{name.replace('_', '-')}")


def number(text: str, place: str) -> float:
    """A finite number; "inf" and "nan" are refused."""
    try:
        value = float(text)
    except ValueError:
        raise SettingError(f"{text!r} is not a number", place=place) from None
    if not math.isfinite(value):
        raise SettingError(f"{text!r} is not a finite number", place=place)
    return value


def scale_of(text: str | None) -> float | str | None:
    """A number of molecules, or the word "units"."""
    return text if text in (None, "units") else number(str(text), "option --scale")


def pairs(items: Iterable[str] | None, option: str) -> dict[str, float]:
    """`name=value` texts as a mapping; a name given twice is refused."""
    result: dict[str, float] = {}
    for item in items or ():
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not name:
            raise SettingError(f"{item!r} is not NAME=VALUE", place=f"option {option}")
        if name in result:
            raise SettingError(f"{name!r} is given twice", place=f"option {option}", mend="give it once")
        result[name] = number(value, f"option {option} {name}")
    return result


def times_of(text: str) -> list[float]:
    """`start:stop:points` (both ends included) or a comma list, increasing; `inf`, last, is the stationary law."""
    place, mend = "option --times", "use start:stop:points, as 0:50:51, or a comma list, as 1,10"
    parts = text.split(":")
    if len(parts) == 1:
        given = [part.strip() for part in text.split(",") if part.strip()]
        limit = [math.inf] if given[-1:] == ["inf"] else []
        times = [number(part, place) for part in given[: len(given) - len(limit)]] + limit
    elif len(parts) == 3:
        start, stop = (number(part, place) for part in parts[:2])
        points = _whole(parts[2], "times")
        if points < 2 or stop <= start:
            raise SettingError(f"{text!r} is empty", place=place, mend=mend)
        times = [start + (stop - start) * k / (points - 1) for k in range(points - 1)] + [stop]
    else:
        raise SettingError(f"cannot read {text!r}", place=place, mend=mend)
    if not times or times[0] < 0 or any(b <= a for a, b in itertools.pairwise(times)):
        raise SettingError(f"{text!r} is not increasing from >= 0", place=place, mend=mend)
    return times


def _whole(text: str, name: str) -> int:
    place = f"option --{name.replace('_', '-')}"
    value = number(text, place)
    if not value.is_integer():
        raise SettingError(f"{text!r} is not a whole number", place=place)
    return int(text) if text.lstrip("+-").replace("_", "").isdigit() else int(value)
