"""What can be made of a posterior: verdicts, numbers, pictures, files.

Here live the checks (contraction, Fisher information, posterior predictive), the summary, the plots and the archive:
what the methods of `Posterior` call. They are given a posterior and import its class for its type alone, or to read
it back; they know `question.py`, but no sampler.
"""
