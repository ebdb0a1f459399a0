"""Trajectories: generated and table-driven kernels, streams of random numbers, the choice among them."""
