"""Models made of models (the package comp): flattened by libsbml, where that is exact and bounded.

A few lines can stand for millions of elements, or for a circle; both are found on the graph of
definitions before anything is expanded. What comes out is text again, and is judged like any file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import libsbml

from kinetix.errors import ModelError, UnsupportedFeature

from .library_process import GaveUpError, ask
from .sbml_walk import reader_of

MAX_TAGS = 30_000
"""Tags of all models with submodels written out; libsbml needs about 10 kB for each."""
MAX_NESTED = 30
"""Models within models; real ones have three or four."""


def flattened(document: Any) -> str:
    """The text of a document with every submodel written out; ModelError or UnsupportedFeature by name."""
    plugin = document.getPlugin("comp")
    for i in range(plugin.getNumExternalModelDefinitions()):
        place = f"external model definition {plugin.getExternalModelDefinition(i).getId()!r}"
        raise UnsupportedFeature("models in other files are not read", place=place, mend="flatten the model first")
    definitions = {d.getId(): d for d in (plugin.getModelDefinition(i) for i in range(plugin.getNumModelDefinitions()))}
    _Sizes(definitions).require_bounded(document.getModel())
    for model in (document.getModel(), *definitions.values()):
        reader_of(model)  # libsbml computes with the formulas as it flattens
    try:
        done, answer = ask("flatten", str(libsbml.writeSBMLToString(document)))
    except GaveUpError:
        reason = "libsbml cannot put the submodels together"
        raise UnsupportedFeature(reason, place="package 'comp'", mend="flatten the model first") from None
    if not done:
        told = " ".join(answer.split())[:300]
        raise ModelError(f"the submodels cannot be put together: {told}", place="package 'comp'")
    return answer


class _Sizes:
    """The tags that each definition stands for, submodels written out."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self.definitions = definitions
        self.known: dict[str, int] = {}

    def require_bounded(self, model: Any) -> None:
        """Refuse a model that would have more than MAX_TAGS tags, or that contains itself."""
        if self._size(model, ()) > MAX_TAGS:
            reason = f"there are more than {MAX_TAGS} tags once its submodels are written out"
            raise UnsupportedFeature(reason, place="package 'comp'")

    def _size(self, model: Any, within: tuple[str, ...]) -> int:
        name = model.getId()
        if name in within:
            circle = " -> ".join([*within[within.index(name) :], name])
            raise ModelError(f"the model contains itself: {circle}", place=f"model {name!r}", mend="break the circle")
        if len(within) >= MAX_NESTED:
            raise UnsupportedFeature(f"models are nested more than {MAX_NESTED} deep", place=f"model {name!r}")
        if name not in self.known or not within:
            plugin = model.getPlugin("comp")
            inner = [plugin.getSubmodel(i) for i in range(plugin.getNumSubmodels())] if plugin is not None else []
            total = model.toSBML().count("<")
            for submodel in inner:
                total += self._size(self._definition(submodel), (*within, name))
            self.known[name] = total
        return self.known[name]

    def _definition(self, submodel: Any) -> Any:
        if submodel.getModelRef() not in self.definitions:
            reason = f"refers to the model {submodel.getModelRef()!r}, which is not in the file"
            raise ModelError(reason, place=f"submodel {submodel.getId()!r}")
        return self.definitions[submodel.getModelRef()]
