"""What an experiment hands over: tables of cells, read strictly, and what its instrument makes of the true counts.

Here live the reader of tables, the map of their columns, and the measurement (molecules missed, false spots,
intervals) with the probabilities of its readings. `observations.py` and `time_courses.py` above make cells of tables.
This room imports only the core; every room of inference may import it.
"""
