"""Losses to train with: each file defines `loss(y, x)`, and its name is the loss's name.

`y` holds labels in [0, 1] and `x` raw outputs, both float32 of shape (n, 1). `loss` returns the
loss of each sample, shape (n, 1), in operations that TensorFlow can differentiate and compile.
"""
