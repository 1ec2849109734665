"""Reports for the issue trackers of frameworks, ready to file.

A finding is a file in `findings/`. What running it gave is in `measured.json` and `thresholds.csv`,
which `benchmarks/upstream.py` writes, so that no framework is needed to make the text.
"""
