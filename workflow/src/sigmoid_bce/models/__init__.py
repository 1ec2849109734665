"""Networks: layers, weights of frozen ones, and their features. Nothing here trains."""
