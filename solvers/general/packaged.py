"""The weights that come with kinetix: the general model as it was pretrained, with what it was found to be worth."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from .saved import GeneralWeights

FOLDER = Path(__file__).resolve().parent / "weights"
"""Weights, manifest, the settings and the log of their training, and the licence."""


@cache
def packaged() -> GeneralWeights:
    """The general model of this version, read once. CheckpointError where its files are missing or damaged."""
    return GeneralWeights.open(FOLDER)
