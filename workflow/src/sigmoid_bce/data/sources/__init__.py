"""Sources of data: each file is one, named as `source` in a configuration.

A file defines `items(dataset, file)`, which yields an `Item` for each sample: an image's file, or
the float32 features of a row. `dataset` is its section, a class in `study/datasets.py`; `file` is
the downloaded or local file that the section names, or None.

Planning calls what else a file may define, at whose import nothing slow is imported:

- `listing(dataset)`, if the images are loose files on this machine, returns a `Listing`;
- `entries(dataset)`, if a table on this machine has the features, checks it and returns an `Entry`
  for each row;
- `classes(dataset)` returns the two classes where the section does not name them.
"""
