"""Measurements: ours and peers alternated in one run, medians and ratios. Run with `make bench`."""
