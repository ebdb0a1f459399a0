"""Rates from data: observations, priors, likelihoods, samplers, posteriors.

The files are the stations of one line, the rooms what each station stands on:

    data/ -> observations, time_courses -> readings/ -+
    unknowns/ -> priors ------------------------------+-> likelihoods/ -> likelihood -> courses/ -> question
    question -> posteriors/ -> posterior;  question, log_posterior, diagnostics -> samplers/ -> sampling
    posterior, sampling -> studies/ -> calibration

Whatever stands to the right may import what stands to its left. A file imports its own room with one dot, and the
others by their full name. What runs back up is the convenience of `Posterior`: its methods call `posteriors/`.
"""

if __name__ == "inference":
    raise ImportError("import this package as 'kinetix.inference': a bare import makes a second copy of every class")
