"""Train a cell and take its raw outputs. Only rules that run networks import from here."""

from sigmoid_bce.numerics.surroundings import keras_on

keras_on("tensorflow")
