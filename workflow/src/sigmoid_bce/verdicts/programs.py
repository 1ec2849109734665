"""The programs of the record that a user runs: by framework, loss, precision and mode."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata

import pandas as pd

from sigmoid_bce.numerics import catalogue
from sigmoid_bce.numerics.catalogue import PAST
from sigmoid_bce.verdicts import written
from sigmoid_bce.verdicts.errors import EVERY, BadOutputs

HALF = ("bfloat16", "float16")
MEASURED = ("a sample a call", "loss, gradient", "loss_gradient")
"""Modes that say how the record was measured, which no user chooses."""
SPLITS = {
    "train": ("train", "training", "fit"),
    "validation": ("validation", "valid", "val", "dev", "eval", "evaluation"),
    "test": ("test", "testing", "holdout"),
}
"""What samples are for, and the names of it."""
MEASURE = "docs/verdict.md says how to have others measured"
SHOWN = 12
"""Names in a refusal, at most."""


@dataclass(frozen=True)
class Mine:
    """What the user runs; empty where nothing is said.

    Parameters
    ----------
    framework, loss, dtype, mode : str
        Parts of names, as users write them: ``sklearn``, ``nn.BCELoss()``, ``bf16``,
        ``torch.compile``.
    autocast : bool
        Whether the network runs in mixed precision.
    split : str
        What the samples are for, by a name of `SPLITS` or of the file.
    raw_dtype : str
        The precision of the raw outputs, where it is a half one and nothing else is said.
    """

    framework: str = ""
    loss: str = ""
    dtype: str = ""
    mode: str = ""
    autocast: bool = False
    split: str = ""
    raw_dtype: str = ""

    @property
    def any(self) -> bool:
        """Whether anything is said about the program."""
        return bool(self.framework or self.loss or self.dtype or self.mode or self.autocast)

    @property
    def trained(self) -> bool | None:
        """Whether the network is trained on these samples; None if that is not known."""
        kind = kind_of_split(self.split)
        return None if kind is None else kind == "train"

    @property
    def kind(self) -> str:
        """What the samples are for: one of `SPLITS`; empty if that is not known."""
        return kind_of_split(self.split) or ""


def kind_of_split(name: str) -> str | None:
    """Return what the samples of a split are for, of `SPLITS`; None if its name does not tell.

    Examples
    --------
    >>> kind_of_split(" Val"), kind_of_split("fold 1")
    ('validation', None)
    """
    name = name.strip().lower()
    return next((kind for kind, names in SPLITS.items() if name in names), None)


def plain(text: str) -> str:
    """Return a name without case and signs.

    Examples
    --------
    >>> plain("nn.BCELoss()"), plain("sci-kit Learn")
    ('nnbceloss', 'scikitlearn')
    """
    return re.sub("[^a-z0-9]", "", text.lower())


def in_use(table: pd.DataFrame, label: str = EVERY) -> pd.DataFrame:
    """Return the rows of a label, by default of all together, for implementations in use today."""
    return table[(table["label"] == label) & ~table["framework"].isin(PAST)]


def _refuse(
    what: str, given: str, known: Iterable[str], advice: str = "", others: Iterable[str] = ()
) -> BadOutputs:
    """Return the error for a name that the record does not hold, with the nearest ones.

    `others` are names that are accepted, but only listed if they are near.
    """
    names = list(dict.fromkeys(known))
    by_plain = {plain(name): name for name in (*others, *names)}
    near = difflib.get_close_matches(plain(given), by_plain, 3, 0.5)
    listed = [by_plain[name] for name in near] or names
    listed = [*listed[:SHOWN], *(["..."] if len(listed) > SHOWN else [])]
    between = "; " if any("," in name for name in listed) else ", "
    which = "the nearest" if near else "it has"
    return BadOutputs(
        f"{what}: the record has no {given!r}; {which}: {between.join(listed)}"
        + (f". {advice}" if advice else "")
    )


def _packages(title: str) -> tuple[str, ...]:
    """Return the distributions of a framework; none of one that is no part of the catalogue."""
    for _, module in catalogue.modules():
        if title == module.TITLE:
            return module.PACKAGES
    return ()


def _of_framework(table: pd.DataFrame, given: str) -> pd.DataFrame:
    name = given.strip().lower()
    wanted = plain(written.ALIASES.get(name, written.ALIASES.get(plain(name), given)))
    titles = list(dict.fromkeys(table["framework"]))
    first = {title: plain(next(iter(_packages(title)), title)) for title in titles}
    ways = (
        [title for title in titles if plain(title) == wanted],
        [title for title in titles if first[title] == wanted],
        [title for title in titles if wanted and wanted in plain(title)],
    )
    for found in ways:
        if found:
            return table[table["framework"].isin(found)]
    raise _refuse("framework", given, titles, MEASURE)


def _names(framework: str, implementation: str) -> list[str]:
    """Return all names of an implementation, without case and signs."""
    entry = written.WRITTEN.get(framework, {}).get(implementation)
    return [plain(name) for name in (implementation, *(entry.names if entry else ()))]


def _score(names: list[str], wanted: str) -> tuple[int, int]:
    """Return how well a user's line names an implementation; (0, 0) if it does not.

    A name that is the whole line comes first, then the longest name in the line, then a name that
    holds the line.
    """
    if wanted in names:
        return 3, 0
    inside = [len(name) for name in names if name in wanted]
    if inside:
        return 2, max(inside)
    return int(bool(wanted) and any(wanted in name for name in names)), 0


def _of_loss(table: pd.DataFrame, given: str) -> pd.DataFrame:
    """Return the rows of the implementations that a user's line names best."""
    for title, names in written.UNMEASURED.items():
        found = next((name for name in names if plain(name) in plain(given)), "")
        if found and set(table["framework"]) == {title}:
            raise BadOutputs(f"loss: what {found} trains with is not measured; {MEASURE}")
    pairs = list(zip(table["framework"], table["implementation"], strict=True))
    scores = {pair: _score(_names(*pair), plain(given)) for pair in dict.fromkeys(pairs)}
    best = max(scores.values())
    if best == (0, 0):
        others = [name for pair in scores for name in _more(*pair)]
        raise _refuse("loss", given, [name for _, name in scores], MEASURE, others)
    return table[[scores[pair] == best for pair in pairs]]


def _more(framework: str, implementation: str) -> tuple[str, ...]:
    entry = written.WRITTEN.get(framework, {}).get(implementation)
    return entry.names if entry else ()


def _dtype(given: str) -> str:
    """Return the name of a precision."""
    name = plain(given.rsplit(".", 1)[-1])
    for dtype, others in written.DTYPES.items():
        if name == dtype or name in others:
            return dtype
    raise _refuse("dtype", given, written.DTYPES)


def _of_dtype(table: pd.DataFrame, dtype: str) -> pd.DataFrame:
    found = table[table["dtype"] == dtype]
    if found.empty:
        raise BadOutputs(
            f"dtype: {_listed(table)} is not measured in {dtype}, only in "
            f"{', '.join(dict.fromkeys(table['dtype']))}"
        )
    return found


def _listed(table: pd.DataFrame) -> str:
    return ", ".join(dict.fromkeys(table["framework"]))


def _of_autocast(table: pd.DataFrame, dtype: str) -> pd.DataFrame:
    """Return the rows that tell what mixed precision makes of each loss."""
    if dtype not in ("", *HALF):
        raise BadOutputs(f"dtype: mixed precision is in {' or '.join(HALF)}, not in {dtype}")
    half = dtype or HALF[0]
    raw = table["framework"].map(
        lambda title: next(
            (p for word, p in written.AUTOCAST.items() if word == title or title.startswith(word)),
            "",
        )
    )
    found = table[raw != ""]
    if found.empty:
        raise BadOutputs(
            f"autocast: {_listed(table)} has no mixed precision; say the precision with --dtype"
        )
    wanted = raw[raw != ""].replace("half", half).mask(found["from_sigmoid"], half)
    return found[found["dtype"] == wanted]


def _usual(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in the precision in which each framework is used by most.

    Where a loss is not measured in it, as a loss in half precision, it has no row.
    """
    wanted = table["framework"].map(written.USUAL_PRECISION).fillna("float32")
    found = table[table["dtype"] == wanted]
    return found if len(found) else table


def _of_mode(table: pd.DataFrame, given: str) -> pd.DataFrame:
    wanted = plain(given)
    wanted = next((to for word, to in written.MODES.items() if word in wanted), wanted)
    wanted, modes = plain(wanted), table["mode"].map(plain)
    # a program with one mode only is run in it, whatever it is called
    alone = modes == ""
    for found in (modes == wanted, modes.str.contains(wanted, regex=False) & bool(wanted)):
        if found.any():
            return table[found | alone]
    if alone.all():
        return table
    raise _refuse("mode", given, filter(None, table["mode"]))


def chosen(table: pd.DataFrame, mine: Mine) -> pd.DataFrame:
    """Return the programs that a user runs, of all that are in use.

    Parameters
    ----------
    table : DataFrame
        A row for each program: columns framework, implementation, mode, dtype, from_sigmoid.
    mine : Mine

    Returns
    -------
    DataFrame
        The rows of `table`, in the precision that is usual if none is given.

    Raises
    ------
    BadOutputs
        If there is none: the nearest names, and how to have another program measured.
    """
    every = table
    if mine.framework:
        table = _of_framework(table, mine.framework)
    if mine.loss:
        try:
            table = _of_loss(table, mine.loss)
        except BadOutputs:
            # Keras is a part of TensorFlow for those who use it so
            if set(table["framework"]) != {"TensorFlow"}:
                raise
            table = _of_loss(every[every["framework"] == "Keras on TensorFlow"], mine.loss)
    dtype = _dtype(mine.dtype) if mine.dtype else ""
    if mine.autocast or "mixed" in mine.dtype.lower():
        table = _of_autocast(table, dtype)
    elif dtype:
        table = _of_dtype(table, dtype)
    else:
        half = table[table["dtype"] == mine.raw_dtype]
        table = half if len(half) else _usual(table)
    if mine.mode:
        table = _of_mode(table, mine.mode)
    return table


def notes(table: pd.DataFrame, mine: Mine) -> list[str]:
    """Return how a user's programs may differ from those that were measured.

    Parameters
    ----------
    table : DataFrame
        Programs: columns framework, version, dtype, from_sigmoid.
    mine : Mine
    """
    half = table["dtype"].isin(HALF) & table["from_sigmoid"] & (table["framework"] == "PyTorch")
    found = [REFUSED] if mine.autocast and mine.loss and half.any() else []
    return [*found, *(_releases(table) if mine.any else ())]


REFUSED = (
    "under autocast, PyTorch refuses BCELoss on CUDA; elsewhere only the sigmoid is in half "
    "precision, and the record has the loss in it as well: fewer samples may give nan or inf"
)


def _releases(table: pd.DataFrame) -> list[str]:
    """Return what to say of frameworks that are installed in another release than the record's."""
    notes = []
    for title, version in dict(zip(table["framework"], table["version"], strict=True)).items():
        for package in _packages(title)[:1]:
            try:
                here = metadata.version(package)
            except metadata.PackageNotFoundError:
                continue
            # of one package, the record has the number alone
            found = re.search(rf"(?:^|\b{re.escape(package)} )(\d[^ ]*)", version)
            there = found[1] if found else version
            if here.split("+")[0] != there.split("+")[0]:
                notes.append(
                    f"the record measured {package} {there}, and {package} {here} is installed "
                    "here: `make numerics` measures it, and --thresholds takes the result"
                )
    return notes
