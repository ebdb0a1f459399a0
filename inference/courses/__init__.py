"""The likelihood of cells that are followed over time, as `time_courses.py` reads them.

Here live histories of cells as a tree, the forward filter with the propagation of many laws at once, and the
likelihood that filters where there are windows and chains laws elsewhere. It stands on `likelihood.py` (the first row
of every cell is a snapshot); only `question.py` imports it.
"""
