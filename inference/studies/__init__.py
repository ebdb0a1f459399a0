"""What many posteriors tell together: calibration on known truths, models held against each other, many tables.

Here live experiments with a known truth, the fan-out of runs, the tests of ranks and intervals that `calibration.py`
reads, leave-one-out comparison and `infer_many`. It is the top room: it may import all of inference, and beside
`calibration.py` nothing of inference imports it.
"""
