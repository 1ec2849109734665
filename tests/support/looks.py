"""How a figure looks, measured: is a text cut, hidden or small, are two curves told apart?"""

import itertools
from contextlib import contextmanager

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from sigmoid_bce.figures import style

ALONE = 10.0
"""CIEDE2000 that colours differ by at least, if nothing but colour tells curves apart."""
SLACK = 1.5
"""Pixels, at the figure's own resolution, by which the boxes of two texts may overlap."""

# linear RGB to XYZ of D65; IEC 61966-2-1
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = XYZ.sum(1)
# of linear RGB, severity 1; Machado, Oliveira and Fernandes 2009, and luminance for grey
SEEN = {
    "normal vision": np.eye(3),
    "grey": np.tile(XYZ[1], (3, 1)),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def linear(rgb):
    """Return linear RGB of sRGB."""
    rgb = np.asarray(rgb, float)
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def seen(rgb, how):
    """Return linear RGB as it is seen."""
    return np.clip(linear(rgb) @ SEEN[how].T, 0, 1)


def lab(rgb):
    """Return CIELAB of linear RGB."""
    t = rgb @ XYZ.T / WHITE
    x, y, z = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29).T
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def ciede2000(one, other):
    """Return the difference of two colours in CIELAB; Sharma, Wu and Dalal 2005."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    c = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 1.5 - 0.5 * np.sqrt(c**7 / (c**7 + 25**7))
    c1, c2 = np.hypot(g * a1, b1), np.hypot(g * a2, b2)
    h1, h2 = np.arctan2(b1, g * a1) % (2 * np.pi), np.arctan2(b2, g * a2) % (2 * np.pi)
    turn = (h2 - h1 + np.pi) % (2 * np.pi) - np.pi if c1 * c2 else 0.0
    middle = (h1 + turn / 2) % (2 * np.pi) if c1 * c2 else h1 + h2
    low, high = (l1 + l2) / 2, (c1 + c2) / 2
    t = 1 - 0.17 * np.cos(middle - np.pi / 6) + 0.24 * np.cos(2 * middle)
    t += 0.32 * np.cos(3 * middle + np.radians(6)) - 0.20 * np.cos(4 * middle - np.radians(63))
    lightness = (l2 - l1) / (1 + 0.015 * (low - 50) ** 2 / np.sqrt(20 + (low - 50) ** 2))
    chroma = (c2 - c1) / (1 + 0.045 * high)
    hue = 2 * np.sqrt(c1 * c2) * np.sin(turn / 2) / (1 + 0.015 * high * t)
    bent = np.radians(60) * np.exp(-(((np.degrees(middle) - 275) / 25) ** 2))
    rotation = -2 * np.sqrt(high**7 / (high**7 + 25**7)) * np.sin(bent)
    return float(np.sqrt(lightness**2 + chroma**2 + hue**2 + rotation * chroma * hue))


def difference(one, other):
    """Return the least difference of two colours, and in whose eyes."""
    return min((ciede2000(lab(seen(one, how)), lab(seen(other, how))), how) for how in SEEN)


@contextmanager
def recorded():
    """Record the texts that are drawn while it lasts, ticks, legends and annotations included."""
    found, draw = [], Text.draw

    def drawing(text, renderer, *args, **options):
        if text.get_visible() and text.get_text().strip():
            found.append(text)
        return draw(text, renderer, *args, **options)

    Text.draw = drawing
    try:
        yield found
    finally:
        Text.draw = draw


def texts(figure):
    """Draw a figure, and return its visible texts, each with the corners of its box in pixels."""
    style.finish(figure)
    if figure.get_layout_engine():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # it has been laid out
    with recorded() as found:
        figure.draw_without_rendering()
    boxes = []
    for text in {id(text): text for text in found}.values():
        box = text.get_window_extent()
        middle, angle = (box.min + box.max) / 2, np.radians(text.get_rotation())
        if angle % np.pi:  # the box that is turned, not the one around it
            text.set_rotation(0)
            box = text.get_window_extent()
            text.set_rotation(np.degrees(angle))
        width, height = box.width / 2, box.height / 2
        corners = np.array([(-width, -height), (width, -height), (width, height), (-width, height)])
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        boxes.append((text, middle + corners @ turn))
    return boxes


def depth(one, other):
    """Return how far two boxes, turned in any way, reach into each other; below 0: not at all."""
    least = np.inf
    for box in (one, other):
        for side in (box[1] - box[0], box[2] - box[1]):
            length = np.hypot(*side)
            if length:
                a, b = one @ side / length, other @ side / length
                least = min(least, a.max() - b.min(), b.max() - a.min())
    return least


def text_faults(figure):
    """Yield what is wrong with the texts of a figure: small, cut by its edge, on another text."""
    found = texts(figure)
    width, height = figure.bbox.size
    for text, box in found:
        if text.get_fontsize() < style.SMALL:
            yield f"small: {text.get_text()!r} has {text.get_fontsize():.3g} points"
        out = max(-box.min(), (box - (width, height)).max())
        if out > SLACK:
            yield f"cut: {text.get_text()!r}, by {out:.3g} pixels"
    boxes = np.array([box for _, box in found]).reshape(-1, 4, 2)
    low, high = boxes.min(1), boxes.max(1)
    near = ((low[:, None] < high) & (high[:, None] > low)).all(2)
    for i, j in zip(*np.nonzero(np.triu(near, 1)), strict=True):
        over = depth(boxes[i], boxes[j])
        if over > SLACK:
            one, other = (found[k][0].get_text() for k in (i, j))
            yield f"overlap: {one!r} and {other!r}, by {over:.3g} pixels"


def look(artist):
    """Return the colour of a curve, of points or of an area on white, and what else tells it."""
    if isinstance(artist, Line2D):
        line = artist.get_linestyle() not in ("None", " ", "")
        marker = artist.get_marker() not in ("None", " ", "", None)
        colour = artist.get_color() if line or not marker else artist.get_markerfacecolor()
        if not line and str(artist.get_markerfacecolor()).lower() in ("none", "white"):
            colour = artist.get_markeredgecolor()
        dashes = artist._unscaled_dash_pattern if line else None
        filled = str(artist.get_markerfacecolor()).lower() in ("none", "white")
        signs = ("line", str(dashes), artist.get_marker() if marker else None, marker and filled)
    elif isinstance(artist, Collection):
        faces = artist.get_facecolor()
        colour = faces[0] if len(faces) else artist.get_edgecolor()[0]
        outlines = artist.get_paths() if isinstance(artist, PathCollection) else []
        signs = ("points", str(outlines[0].vertices) if outlines else "", str(artist.get_hatch()))
    else:
        filled = artist.get_fill() and to_rgba(artist.get_facecolor())[3] > 0
        colour = artist.get_facecolor() if filled else artist.get_edgecolor()
        signs = ("area" if filled else "line", str(artist.get_linestyle()), str(artist.get_hatch()))
    *rgb, alpha = to_rgba(colour, None if artist.get_alpha() is None else artist.get_alpha())
    return 1 - alpha * (1 - np.array(rgb)), signs


def curve_faults(figure):
    """Yield the pairs of names in one legend, or in one panel, that too little tells apart."""
    groups = [
        [
            (text.get_text(), handle)
            for text, handle in zip(one.texts, one.legend_handles, strict=True)
        ]
        for one in figure.findobj(Legend)
    ]
    for axes in figure.findobj(Axes):
        kinds = (Line2D, Collection, Patch)
        some = [one for one in axes.get_children() if isinstance(one, kinds) and one.get_visible()]
        named = {one.get_label(): one for one in some if not one.get_label().startswith("_")}
        said = " ".join(text.get_text() for text in axes.texts)
        groups.append([(name, one) for name, one in named.items() if name and name not in said])
    seen_before = set()
    for group in groups:
        for (name, one), (other, two) in itertools.combinations(group, 2):
            (colour, signs), (there, others) = look(one), look(two)
            if name == other or signs != others or {name, other} in seen_before:
                continue
            least, how = difference(colour, there)
            if least < ALONE:
                seen_before.add(frozenset((name, other)))
                yield f"alike: {name!r} and {other!r} differ by {least:.3g} in {how}"


def faults(figure):
    """Return all that is wrong with how a figure looks, a line each."""
    found = []
    if figure.get_figwidth() > style.PAGE + 1e-9:
        found.append(f"wide: {figure.get_figwidth():.3g} inches, a page has {style.PAGE}")
    return [*found, *text_faults(figure), *curve_faults(figure)]
