"""How wide a text is, and where it breaks, before anything is drawn."""

from __future__ import annotations

import math
from functools import cache

from matplotlib import font_manager

from sigmoid_bce.jobs.logs import one_line

LONGEST = 32
"""Characters of a name."""
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SIGNS = "(=./-"
"""After these a word may break."""
UNKNOWN = 1.2
"""Heights of the font that a character may be wide that Matplotlib's font lacks."""


def plain(text: str) -> str:
    r"""Return a text of users as a figure can show it: in one line, and not too long.

    A long one loses its middle, since names of one series differ at their end.
    Matplotlib leaves a name with a leading _ out of a legend, and SVG holds no control characters.

    Examples
    --------
    >>> plain("_cat\x00"), len(plain("long" * 1000))
    (' _cat\\x00', 32)
    """
    text = one_line(text)
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]}…{text[1 - LONGEST // 2 :]}"
    return f" {text}" if text.startswith("_") else text


def those(number: int, one: str, more: str) -> str:
    """Return what some of a number of things are, in words.

    Examples
    --------
    >>> those(0, "is stuck", "are stuck"), those(1, "is stuck", "are stuck")
    ('none is stuck', '1 is stuck')
    >>> those(2440, "is stuck", "are stuck")
    '2,440 are stuck'
    """
    return f"{number:,} {more if number > 1 else one}" if number else f"none {one}"


def power(value: float, position: float | None = None) -> str:
    """Return the label of a tick on a logarithmic axis as plain Unicode text.

    Parameters
    ----------
    value : float
        A power of ten, its negative, or 0. Other values are written as numbers.
    position : float, optional
        The tick's index: Matplotlib passes it, and the label does not depend on it.

    Returns
    -------
    str

    Examples
    --------
    >>> power(1e-7), power(-100), power(0), power(3)
    ('10⁻⁷', '−10²', '0', '3')
    """
    exponent = round(math.log10(abs(value))) if value else 0
    if not math.isclose(abs(value), 10.0**exponent):
        return f"{value:g}"
    return f"{'−' if value < 0 else ''}10{str(exponent).translate(SUPERSCRIPTS)}"


@cache
def _advance(character: str, weight: str) -> float:
    """Return the width of a character in heights of its font."""
    place = font_manager.findfont(font_manager.FontProperties(weight=weight))
    font = font_manager.get_font(place)
    font.set_size(100, 72)
    glyph = font.get_char_index(ord(character))
    if not glyph:
        return UNKNOWN
    return float(font.load_glyph(glyph).linearHoriAdvance / 65536 / 100)


def width(text: str, size: float, weight: str = "normal") -> float:
    """Return the width of a line of text.

    Parameters
    ----------
    text : str
    size : float
        Of the font, in points.
    weight : str
        Of the font.

    Returns
    -------
    float
        In inches, 3 % more than the characters' sum: what is drawn is rounded to pixels.

    Examples
    --------
    >>> width("iiii", 8) < width("WWWW", 8) < width("WWWW", 8, "bold")
    True
    """
    return 1.03 * sum(_advance(character, weight) for character in text) * size / 72


def wrap(
    text: str, inches: float, size: float, most: int = 99, weight: str = "normal"
) -> list[str]:
    """Return the lines of a text, none of which is wider than the room.

    Parameters
    ----------
    text : str
    inches : float
        The room.
    size : float
        Of the font, in points.
    most : int
        The largest number of lines; the last one ends in … if the text is longer.
    weight : str
        Of the font.

    Returns
    -------
    list of str

    Examples
    --------
    >>> wrap("logits, batch size 4", 0.8, 8)
    ['logits, batch', 'size 4']
    >>> wrap("a_name_without_end", 0.6, 8, most=1)
    ['a_name…']
    >>> wrap("BinaryCrossentropy(from_logits=True)", 1.5, 8)
    ['BinaryCrossentropy(', 'from_logits=True)']
    """
    lines = [""]
    for word in text.split(" "):  # a no-break space is none
        joined = f"{lines[-1]} {word}".lstrip()
        if width(joined, size, weight) <= inches:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for (
            character
        ) in word:  # a word that is wider than the room breaks after a sign, or anywhere
            if lines[-1] and width(lines[-1] + character, size, weight) > inches:
                line = lines[-1]
                end = max(line.rfind(sign) for sign in SIGNS) + 1
                end = end if end > len(line) / 3 else len(line)
                lines[-1:] = [line[:end], line[end:]]
            lines[-1] += character
    if len(lines) > most:
        last = lines[most - 1]
        while last and width(f"{last}…", size, weight) > inches:
            last = last[:-1]
        lines = [*lines[: most - 1], f"{last.rstrip()}…"]
    return [line for line in lines if line]
