"""The figures of a study of learning: a module for each, named in the registry."""
