"""HTML pages: everything given appears once, in order, escaped; images are embedded."""

import os
import subprocess
import sys

import pandas as pd
import pytest
from jinja2 import UndefinedError

from sigmoid_bce.figures import html
from sigmoid_bce.jobs.files import Unwritable


def test_a_page_shows_all_parts_in_order(tmp_path):
    picture = tmp_path / "dot.svg"
    picture.write_text("<svg/>")
    page = html.render(
        "Losses",
        [
            html.Section("First", ["careful"], "lead", ["one", "two"], "- old\n+ new"),
            html.Section(
                groups=[html.Group("More", pd.DataFrame({"y": [7]}))],
                tables=[pd.DataFrame({"x": [1.23456], "name": ["a<b"]})],
                images=[html.Image(picture, "A dot", "It is small.")],
            ),
        ],
    )
    body = page[page.index("<body>") :]
    parts = [
        "<h1>Losses</h1>",
        "<h2>First</h2>",
        '<p class="warning">careful</p>',
        '<p class="lead">lead</p>',
        "<p>one</p>",
        "<p>two</p>",
        '<span class="del">- old</span>',
        '<span class="add">+ new</span>',
        "<summary>More</summary>",
        "<td>7</td>",
        "<td>1.235</td>",
        "<td>a&lt;b</td>",
        'src="data:image/svg+xml;base64,PHN2Zy8+"',
        "<figcaption>A dot. It is small.</figcaption>",
    ]
    places = [body.index(part) for part in parts]
    assert places == sorted(places)
    assert body.count("<h2>") == 1


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '" onload="alert(1)', "a & b"])
def test_every_text_is_escaped(tmp_path, text):
    picture = tmp_path / "dot.png"
    picture.write_bytes(b"")
    section = html.Section(
        text, [text], text, [text], text, images=[html.Image(picture, text, text)]
    )
    page = html.render(text, [section])
    assert text not in page


def test_a_part_that_the_template_misspells_is_an_error():
    with pytest.raises(UndefinedError):
        html.render("Losses", [object()])


def test_a_page_is_complete_or_absent(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises((Unwritable, OSError)):
        html.write(tmp_path / "file" / "page.html", "Losses", [])
    html.write(tmp_path / "page.html", "Losses", [])
    assert (tmp_path / "page.html").read_text().endswith("</html>\n")
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_the_user_s_backend_of_matplotlib_does_not_count(tmp_path):
    (tmp_path / "a.csv").write_text("label,raw_output\n1,2\n0,-3\n")
    code = "from sigmoid_bce.commands import main; main(['verdict', 'a.csv'])"
    environment = {**os.environ, "MPLBACKEND": "nonsense"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)


def test_a_page_says_what_it_is_made_from():
    page = html.render("a", [], '0123  data/"x"<y.csv\n4567  z')
    meta = '<meta name="dcterms.source" content="0123  data/&#34;x&#34;&lt;y.csv\n4567  z">'
    assert meta in page
    assert "dcterms" not in html.render("a", [])
