"""Loss and gradient of binary cross-entropy: the formulas in use, and the exact reference."""
