"""Losses to train with: each file defines `loss(y, x)`, and its name is the loss's name.

`y` holds labels in [0, 1] and `x` raw outputs, both float32 of shape (n, 1). `loss` returns the
loss of each sample, shape (n, 1), in operations that TensorFlow can differentiate and compile.

A file may also define these constants:

- `USED`, a text: where the loss was or is used;
- `PLATEAU`, a pair: the loss of label 0 and of label 1 where x is far on the wrong side;
- `NUDGE`, 1 or -1: the initial weights move by one unit in the last place, up or down;
- `SCALED`, true if gradients need a loss scale, because a half precision could lose them.
"""
