"""Figures of one trained network, one file each; `sigmoid_bce.figures.registry` finds them."""
