"""Networks: layers, weights of frozen ones, and their features. Nothing here trains."""

from sigmoid_bce.numerics.surroundings import keras_on

keras_on("tensorflow")
