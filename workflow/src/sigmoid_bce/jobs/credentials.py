"""Passwords and tokens: told apart from the rest of an address, and masked in what is shown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from urllib.parse import quote, unquote, unquote_plus

MASK = "***"
ADDRESS = "MLFLOW_TRACKING_URI"
SHORTEST = 4  # characters: a shorter value would mask parts of other words
NAMES = r"pass(?:word|wd|phrase)|secret|token|credential|signature|api_?key|access_?key"
VARIABLE = re.compile(NAMES, re.I)  # of the environment
KEY = re.compile(rf"{NAMES}|pwd|\b(?:pass|sig)$", re.I)
"""Of a query string, or of ODBC's list."""

# %3D, %3B and %26 are = ; & in an address that is part of another one
NAMED = re.compile(r"""((?:(?!%3D|%3B|%26)[\w.%-])+)["']?\s*(?:=|%3D|:\s)\s*""", re.I)
VALUE = re.compile(
    r"""("[^"]*"|'[^']*'|\{[^}]*\}|%7B(?:(?!%7D).)*%7D|(?:(?!%3B|%26)[^\s&;,'")])+)""", re.I
)
USER = re.compile(r"://[^/\s]*@")
HOST = re.compile(r"(?:\[[^\]]*\]|[^:@\[\]]*)(?::\d*)?")


def _values(text: str) -> Iterator[re.Match[str]]:
    """Yield the values in a text whose key is that of a secret."""
    for name in NAMED.finditer(text):
        if KEY.search(unquote(name[1])) and (value := VALUE.match(text, name.end())):
            yield value


def _forms(value: str) -> set[str]:
    """Return a secret as an address or an error may show it: as it is, decoded and encoded."""
    plain = {value, unquote(value), unquote_plus(value)}
    return plain | {quote(text, safe="") for text in plain}


def _known() -> Iterator[str]:
    """Yield the secrets in this process's environment."""
    yield from (value for name, value in os.environ.items() if VARIABLE.search(name))
    address = os.environ.get(ADDRESS, "")
    for text in (address, unquote(address)):
        yield from (value[0].strip("\"'{}") for value in _values(text))
    before, at, _ = address.partition("://")[2].rpartition("@")
    if at:
        name, _, password = before.partition(":")
        secret = password or name  # a token may stand in place of a user
        # drivers take what follows a raw @ or / in it for a host or a database
        yield from (secret, *re.split("[@/?#]", secret))


def without_known(text: str) -> str:
    """Return a text in which the secrets of the environment are masked, and nothing else.

    Examples
    --------
    >>> without_known("password = ask()")
    'password = ask()'
    """
    known = {form for secret in _known() for form in _forms(secret) if len(form) >= SHORTEST}
    for secret in sorted(known, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def masked(text: object) -> str:
    """Return a text with its passwords and tokens masked, those of the environment included.

    Examples
    --------
    >>> masked("postgresql://me:secret@host/runs is away")
    'postgresql://***@host/runs is away'
    >>> masked("mssql+pyodbc:///?odbc_connect=Server%3Dhost%3BPWD%3Dopen%3BUID%3Dme")
    'mssql+pyodbc:///?odbc_connect=Server%3Dhost%3BPWD%3D***%3BUID%3Dme'
    """
    shown = without_known(str(text))
    for value in reversed(list(_values(shown))):
        shown = shown[: value.start()] + MASK + shown[value.end() :]
    return USER.sub(f"://{MASK}@", shown)


class Hidden(str):
    """Addresses that are shown without what may be a secret; pickled, they are a plain text.

    Examples
    --------
    >>> text = Hidden("https://host/a.zip?key=secret")
    >>> f"{text}", text == "https://host/a.zip?key=secret"
    ('https://host/a.zip?***', True)
    """

    def __str__(self) -> str:
        return re.sub(r'(?<=[?#])[^\s"]+', MASK, masked(str.__str__(self)))

    def __repr__(self) -> str:
        return repr(str(self))

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str.__str__(self),)


def held(address: str) -> bool:
    """Return whether an address holds a name or a secret, or something that may be one.

    Parameters
    ----------
    address : str
        Of a server, a database or a file, with its scheme.

    Examples
    --------
    >>> held("https://me@host"), held("postgresql://host/runs?pass%77ord=x"), held("https://host:5")
    (True, True, False)
    """
    hosts = re.split("[/?#]", address.partition("://")[2])[0].split(",")
    return not all(map(HOST.fullmatch, hosts)) or any(True for _ in _values(address))
