"""The posterior in numbers: one row a parameter, with the verdicts above them where they are not to be trusted."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from kinetix.inference.diagnostics import ESS, RHAT

from .contraction import contraction
from .draws import PosteriorDraws

HEAD = ("parameter", "mean", "sd", "5 %", "50 %", "95 %", "contraction", "R-hat", "ESS", "MCSE")


@dataclass(frozen=True)
class Row:
    """One parameter. `rhat` is the larger R-hat; effective sample sizes and `mcse` allow for weights.

    `contraction` is the share of the prior's variance that the data took away.
    """

    name: str
    mean: float
    sd: float
    q05: float
    q50: float
    q95: float
    rhat: float
    ess_bulk: float
    ess_tail: float
    mcse: float
    contraction: float


@dataclass(frozen=True)
class Summary:
    """Rows of numbers, `warnings` to stand above them, and a line on where they come from."""

    rows: tuple[Row, ...]
    warnings: tuple[str, ...]
    origin: str

    def as_dicts(self) -> list[dict[str, str | float]]:
        """The rows as plain dictionaries, for JSON."""
        return [asdict(row) for row in self.rows]

    def __str__(self) -> str:
        cells = [HEAD, *map(_cells, self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(
                text.rjust(w) if i else text.ljust(w) for i, (text, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in cells
        ]
        return "\n".join([*self.warnings, *(line.rstrip() for line in lines), self.origin])


def summarise(posterior: PosteriorDraws) -> Summary:
    """The summary of a posterior."""
    numbers = (posterior.mean(), posterior.sd(), *posterior.quantile([0.05, 0.5, 0.95]))
    learnt, rows = contraction(posterior), []
    for i, name in enumerate(posterior.names):
        found = posterior.diagnostics.get(name, {})
        rhat = max(found.get("rhat", np.nan), found.get("rhat_nested", -np.inf))
        ess = [_worth(posterior, found.get(key, np.nan)) for key in ("ess_bulk", "ess_tail")]
        loss = np.sqrt(found.get("ess_bulk", np.nan) / ess[0]) if ess[0] > 0 else np.nan
        mean, sd, q05, q50, q95 = (float(n[i]) for n in numbers)
        mcse = float(found.get("mcse", np.nan) * loss)
        rows.append(
            Row(name, mean, sd, q05, q50, q95, float(rhat), float(ess[0]), float(ess[1]), mcse, float(learnt[i]))
        )
    return Summary(tuple(rows), tuple(warnings_of(posterior)), _origin(posterior))


def warnings_of(posterior: PosteriorDraws) -> list[str]:
    """What must be read before the numbers: each line begins with its verdict in capitals."""
    lines = []
    if not posterior.complete:
        lines.append("NOT COMPLETE: the chains were stopped before their end")
    if not posterior.converged:
        lines.append(f"NOT CONVERGED: {convergence(posterior)}; run longer chains")
    if not posterior.certified:
        lines.append(f"NOT CERTIFIED: {certification(posterior)}; train longer, or use an exact likelihood")
    return lines


def convergence(posterior: PosteriorDraws) -> str:
    """The worst R-hat and effective sample size, with their parameters."""
    known = {n: d for n, d in posterior.diagnostics.items() if n in posterior.names}
    if not known:
        return "there are no diagnostics of the chains"
    rhat = {n: max(_or(d.get("rhat"), np.inf), d.get("rhat_nested", -np.inf)) for n, d in known.items()}
    ess = {n: min(_or(d.get("ess_bulk"), 0), _or(d.get("ess_tail"), 0)) for n, d in known.items()}
    worst, least = max(rhat, key=lambda n: rhat[n]), min(ess, key=lambda n: ess[n])
    return (
        f"R-hat {rhat[worst]:.3f} of {worst!r} (below {RHAT} is asked), "
        f"{ess[least]:.0f} effective draws of {least!r} ({ESS} are asked)"
    )


def certification(posterior: PosteriorDraws) -> str:
    """Why a likelihood that is not exact is not certified."""
    gate = posterior.gate or {}
    reasons = []
    if gate.get("reason"):
        reasons.append(str(gate["reason"]))
    if gate.get("pareto_k") is not None:
        reasons.append(f"Pareto k {float(gate['pareto_k']):.2f} (below 0.7 is asked)")
    if gate.get("efficiency") is not None:
        reasons.append(f"efficiency {100 * float(gate['efficiency']):.0f} % (50 % is asked)")
    return ", ".join(reasons) or "the net was not compared with an exact likelihood at these draws"


def _worth(posterior: PosteriorDraws, chains: float) -> float:
    """Effective draws of a posterior whose chains are worth `chains`.

    Weighted draws of the chains have two errors: that of the chains, and that of taking some by weight.
    Sub-chains begin anew from the exact likelihood and are worth what their stage found.
    """
    if posterior.weights is None:
        return chains
    if posterior.before is not None:
        return float((posterior.gate or {}).get("corrected_draws", np.nan))
    taken = float(1 / np.sum(posterior.weights**2))
    return 1 / (1 / chains + 1 / taken) if chains > 0 else chains


def _origin(posterior: PosteriorDraws) -> str:
    chains, n, _ = posterior.draws.shape
    solver = posterior.likelihood.get("solver", "unknown")
    weighed = ", weighed by the exact likelihood" if posterior.weights is not None else ""
    if posterior.before is not None:
        weighed = ", ends of sub-chains accepted by the exact likelihood"
    estimate = (posterior.gate or {}).get("estimated")
    exact = "" if estimate is None else f", exact up to an estimated error of {float(estimate):.1g}"
    return f"{chains * n:,} draws of {chains} chains{weighed}; {posterior.data}; likelihood {solver}{exact}"


def _cells(row: Row) -> tuple[str, ...]:
    plain = (f"{v:.4g}" for v in (row.mean, row.sd, row.q05, row.q50, row.q95))
    ess = min(row.ess_bulk, row.ess_tail)
    learnt = f"{100 * row.contraction:.0f} %"
    return (row.name, *plain, learnt, f"{row.rhat:.4f}", f"{ess:.0f}", f"{row.mcse:.2g}")


def _or(value: float | None, other: float) -> float:
    return other if value is None or np.isnan(value) else float(value)
