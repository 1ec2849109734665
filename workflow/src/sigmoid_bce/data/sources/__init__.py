"""Sources of images: each file is one, named as `source` in a configuration.

A file defines `items(dataset, file)`, which yields an `Item` for each image. `dataset` is its
section, a class in `study/datasets.py`; `file` is the downloaded or local file that the section
names, or None. If the images are loose files on this machine, the file also defines
`listing(dataset)`, which returns a `Listing`; if it can tell the two classes where the section
does not name them, `classes(dataset)`. Planning calls both, so they import nothing slow.
"""
