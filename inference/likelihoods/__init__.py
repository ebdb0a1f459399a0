"""What likelihoods are made of beside the sum itself, and what they all promise.

Here live the contract that samplers and checks rely on (`CellLikelihood`), gradients, and the sum over groups of
cells. It stands on `readings/` and `unknowns/`; `likelihood.py`, `question.py`, courses and whatever is above import
it.
"""
