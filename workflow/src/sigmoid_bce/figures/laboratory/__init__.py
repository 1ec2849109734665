"""Figures of the laboratory, the measurement of BCE implementations; one file each."""
