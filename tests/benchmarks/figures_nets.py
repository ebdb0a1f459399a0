"""MET over the boxes of the reference systems: how good a net is after so many CPU seconds, all counted.

The table of the newest line of nets.jsonl for every row and seed; `train_nets.py` trains and adds lines (six CPU
hours for all rows and three seeds). 100 held-out problems each, none seen in training. Floor: what a histogram of
10,000 exact trajectories scores. Exits 1 where a mean misses its limit.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.train_nets import RECORDS, ROWS

POINTS = ("mean", "median", "p90", "max")


def newest() -> dict[tuple[str, int], Mapping[str, Any]]:
    """The last record of each row and seed, in the order of the rows."""
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    for line in RECORDS.read_text().splitlines():
        record = json.loads(line)
        if record["row"] in ROWS:
            found[record["row"], record["seed"]] = record
    order = list(ROWS)
    return dict(sorted(found.items(), key=lambda item: (order.index(item[0][0]), item[0][1])))


def points(values: Mapping[str, float]) -> str:
    """Four numbers of a summary as columns."""
    return " | ".join(f"{values[p]:.4f}" for p in POINTS)


def pays_after(record: Mapping[str, Any]) -> str:
    """How many laws a training is worth: asked one by one, and in a batch."""
    cost = record["law_cpu_seconds"]
    if not cost["exact"]:  # not measured
        return ""
    found = []
    for way in ("net", "net_batch"):
        if way in cost:  # older records have no batch
            gain = cost["exact"] - cost[way]
            found.append(f"{record['cpu_seconds'] / gain:,.0f}" if gain > 0 else "never")
    return " / ".join(found)


def exact_table(records: Mapping[tuple[str, int], Mapping[str, Any]]) -> bool:
    """Rows judged by exact joint laws; whether a limit is missed."""
    print(
        "| row | seed | teacher | law | mean | median | p90 | max | floor | smoothed | tails "
        "| exact law, ms | pays after, laws |"
    )
    print("|---" * 13 + "|")
    missed = False
    for (row, seed), record in records.items():
        if "joint" not in record:
            continue
        laws = {"joint": record["joint"], **record["species"]}
        limits = {("joint" if k == "mean" else k): v for k, v in ROWS[row].limits.items()} or {"joint": np.inf}
        for name, limit in limits.items():
            value = laws[name]
            missed |= value["mean"] > limit
            tails = f"{record['tails_log10_95']:.2f}" if name == "joint" else ""
            smooth = f"{record['smoothed']['mean']:.4f}" if name == "joint" and "smoothed" in record else ""
            ends = (
                f"{1e3 * record['law_cpu_seconds']['exact']:.2f} | {pays_after(record)}" if name == "joint" else " | "
            )
            asked = f"{row} (asked: {name} {limit:g})" if limit < np.inf else row
            print(
                f"| {asked} | {seed} | {record['teacher']} | {name} | {points(value)} "
                f"| {value['floor']:.4f} | {smooth} | {tails} | {ends} |"
            )
    print(
        "\nSmoothed: exact trajectories under a Gaussian kernel, the net's CPU seconds shared out among 100 problems\n"
        "(the mean of 20). Tails: the 95 % point of |Δ log₁₀ P| over states with P >= 1e-6. An exact law is one of\n"
        "fsp to 1e-9; a training pays after so many laws, asked of the net one by one / in batches.\n"
    )
    return missed


def other_table(records: Mapping[tuple[str, int], Mapping[str, Any]]) -> bool:
    """Rows where no exact joint law fits; whether a limit is missed."""
    if all("joint" in record for record in records.values()):
        return False
    print("| row | seed | of all contexts and species | mean | median | p90 | max |\n|---|---|---|---|---|---|---|")
    names = {
        "means": "relative errors of the means", "late": "relative errors of the means at the last time",
        "marginals": "marginals", "pairs": "pair laws",
        "pair_floors": "pair laws: floor of 10⁶ trajectories", "worst_pair": "worst pair law of a context",
        "over_product": "log-likelihood over the product of marginals",
        "over_lna": "... over the linear noise approximation",
    }  # fmt: skip
    missed = False
    for (row, seed), record in records.items():
        if "joint" in record:
            continue
        asked: dict[str, list[str]] = {}
        for name, limit in ROWS[row].limits.items():
            key, _, worst = name.partition(", ")
            missed |= record[key]["max" if worst else "mean"] > limit
            asked.setdefault(key, []).append(f"{worst or 'mean'} {limit:g}")
        for key, title in names.items():
            if key in record:
                told = f"{title} (asked: {', '.join(asked[key])})" if key in asked else title
                print(f"| {row} | {seed} | {told} | {points(record[key])} |")
    for (row, seed), record in records.items():
        if "note" in record:
            print(f"\n{row}, seed {seed}: {record['note']}.")
    return missed


def main() -> int:
    records = newest()
    missed = exact_table(records)
    return int(other_table(records) or missed)


if __name__ == "__main__":
    sys.exit(main())
