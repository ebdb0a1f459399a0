"""Solvers: exact trajectories, projected master equation, neural nets."""

if __name__ == "solvers":
    raise ImportError("import this package as 'kinetix.solvers': a bare import makes a second copy of every class")
