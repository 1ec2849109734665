"""The files of a study's data sets on this machine: checked before any job starts."""

from __future__ import annotations

import sys

from sigmoid_bce.data import items
from sigmoid_bce.data.faults import stopping
from sigmoid_bce.data.listing import Entry, Listing
from sigmoid_bce.data.numbers import check_numbers, positives_kept
from sigmoid_bce.study.base import ConfigError
from sigmoid_bce.study.config import Study
from sigmoid_bce.study.datasets import Dataset, Split
from sigmoid_bce.study.learning import regimes


def check(study: Study, where: str) -> None:
    """Check the loose files and tables of every data set that a located study trains on.

    A batch that is larger than the training set is said, and no mistake.

    Parameters
    ----------
    study : Study
        The result of `sigmoid_bce.planning.locate.locate`.
    where : str
        The configuration's name, for messages.

    Raises
    ------
    ConfigError
        If a class has no files, no file of a table exists, a table of features has something else
        than numbers, imbalance leaves no positive sample or asks for more than there are, or there
        are fewer training samples than the largest of `comparison.batch_sizes`: one line each.
    """
    # data sets of one file share its mistakes
    wrong: dict[str, list[str]] = {}
    compared = max(study.comparison.batch_sizes)
    for name, batches in _batches(study).items():
        try:
            train = _check(study.datasets[name])
            if train and "grid" in batches and compared > train:
                raise ValueError(
                    f"comparison.batch_sizes: {compared}{study.comparison.unwritten} is more than "
                    f"the {train} training samples"
                )
        except (ValueError, OSError) as error:
            wrong.setdefault(str(error), []).append(f"datasets.{name}")
            continue
        for section, sizes in batches.items():
            if train and (larger := [size for size in sizes if size > train]):
                print(
                    f"{where}: {section}.batch_size: {', '.join(map(str, larger))} is more than "
                    f"the {train} training samples of {name}: each of its epochs is one batch",
                    file=sys.stderr,
                )
    if wrong:
        raise ConfigError(
            "\n".join(f"{where}: {', '.join(names)}: {error}" for error, names in wrong.items())
        )


def _batches(study: Study) -> dict[str, dict[str, list[int]]]:
    """Return the sizes of batches in which each data set is trained on, by section."""
    grid = study.grid
    found = {name: {"grid": grid.batch_size} for name in grid.dataset} if grid else {}
    for regime in regimes(study.learning):
        sizes = found.setdefault(regime.dataset, {}).setdefault("learning", [])
        sizes += [regime.batch_size] if regime.batch_size not in sizes else []
    return found


def _check(dataset: Dataset) -> int | None:
    """Return the number of training samples if it is known; raise an error if files are missing."""
    there = items.entries(dataset)
    exact = there is not None and dataset.duplicates != "drop"
    if there is None:
        listing = items.listing(dataset)
        if listing is None:
            return dataset.split.train if dataset.split else None
        there = _existing(listing)
    check_numbers([entry.label for entry in there], [entry.split for entry in there])
    train = _training_samples(there, dataset.split)
    if exact and dataset.imbalance is not None:
        by = dataset.split.by if dataset.split else "seed"
        _check_imbalance(dataset.imbalance, there, train, by)
    return train


def _existing(listing: Listing) -> list[Entry]:
    """Return the files of a listing that exist, or raise an error if none does."""
    with stopping(listing.folder):
        there = [entry for entry in listing.entries if items.status(listing.folder / entry.file)]
    if not there:
        first = listing.folder / listing.entries[0].file
        raise ValueError(f"none of its {len(listing.entries)} files exists; the first is {first}")
    return there


def _check_imbalance(imbalance: float, entries: list[Entry], train: int, by: str) -> None:
    """Raise an error if imbalance asks for what no draw of a data set can give."""
    given = [entry.label for entry in entries if entry.split == "train"]
    labels = given or [entry.label for entry in entries]
    positives = round(train * sum(labels) / len(labels))
    if by == "order":  # takes half of the samples from each class
        positives = (train + 1) // 2
    # a split by seed rounds the classes' proportions
    positives_kept(imbalance, train - positives, positives, slack=0 if given else 2)


def _training_samples(entries: list[Entry], split: Split | None) -> int:
    """Return the number of training samples, or raise an error if there are too few."""
    given = sum(entry.split == "train" for entry in entries)
    if given:
        return given
    split = split or Split()
    share, count = split.validation, len(entries)
    validation = round(share * count) if isinstance(share, float) else share
    train = split.train or count - validation
    if train + validation > count or train < 1:
        raise ValueError(
            f"split: {max(train, 1)} training and {validation} validation samples are asked for; "
            f"there are {count}"
        )
    return train
