"""How draws are made: ensembles that walk until they agree, and the exact stage that corrects them.

Here live the moves, the chains and their files, NUTS, the search for the mode, and the exact stage by reweighting or by
sub-chains. Moves see a log-posterior and nothing behind it. `sampling.py` drives them all; studies import the progress
that chains tell.
"""
