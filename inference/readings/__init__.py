"""From the law of the hidden counts to the probability of each row of a table.

Here live what is observed of a state (species, sums of species), what a solver has to be asked for it, and the boxes
and windows on which whole laws are asked for where sums or an instrument need them. It stands on `data/` and
`observations.py`; likelihoods, courses and checks import it, and it knows none of them.
"""
