"""Rates from data: observations, priors, likelihoods, samplers, posteriors."""

if __name__ == "inference":
    raise ImportError("import this package as 'kinetix.inference': a bare import makes a second copy of every class")
