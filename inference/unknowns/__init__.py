"""What is sampled: the families of priors, and the parameters of a model that follow from sampled numbers.

Here live the laws of one unknown (real or whole) and `Parameters`, which turns vectors of sampled numbers into rates,
initial counts and numbers of the measurement. `priors.py` above gives the laws their names. This room imports only
the core; every room of inference may import it.
"""
