"""The verb report: one self-contained page about something that kinetix saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinetix.errors import SettingError

from .cli_options import Json, Seed, command_line
from .outcome import Outcome

if TYPE_CHECKING:
    from .report import Page

Saved = Annotated[Path, typer.Argument(metavar="SAVED", help="A posterior (.nc) or the folder of a trained net.")]


def report(
    ctx: typer.Context,
    saved: Saved,
    output: Annotated[Path, typer.Option(help="The page to write (.html).")],
    truth: Annotated[Path | None, typer.Option(help="TOML file with known values: [truth].")] = None,
    seed: Seed = None,
    as_json: Json = False,  # noqa: ARG001
) -> Outcome:
    """Write an HTML report of a posterior or of a trained net."""
    from .choice import seed_of
    from .files import require_writable
    from .tables import read_truth
    from .verbs import open as open_saved

    require_writable(output, (".html", ".htm"), "option --output")
    known = read_truth(truth) if truth is not None else {}
    found = open_saved(saved)
    page = page_of(found, saved, seed=seed_of(seed), known=known, commands=[command_line(ctx)])
    page.write(output)
    return Outcome(f"wrote {output}", {"report": str(output), "of": type(found).__name__})


def page_of(found: Any, saved: Path, *, seed: int, known: dict[str, float], commands: list[str]) -> Page:
    """The page about a posterior or a net."""
    import numpy as np

    from kinetix.inference.posterior import Posterior
    from kinetix.solvers.fsp import FSP

    if isinstance(found, Posterior):
        from .posterior_sections import posterior_page

        if found.predictive is None and np.isfinite(found.data.times).all():
            found = found.predict(FSP(), rng=np.random.default_rng(seed))
        return posterior_page(found, commands=commands, truth=known)
    if hasattr(found, "box"):
        from .sections import net_page

        return net_page(found, FSP(), seed=seed, commands=commands)
    mend = "draw it with `kinetix solve --output run.png`, or compare solvers with `kinetix compare --report`"
    if hasattr(found, "certificate"):
        mend = "see its certificate with `kinetix inspect`"
    raise SettingError(f"there is no report of a {type(found).__name__}", file=str(saved), mend=mend)
