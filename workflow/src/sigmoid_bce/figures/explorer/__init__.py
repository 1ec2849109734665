"""The explorer: one page that shows loss and gradient of every program at every raw output."""
