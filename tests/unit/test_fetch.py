"""Downloads break off, resume, change mirrors and are checked."""

import hashlib
import os
import socket

import pytest

from sigmoid_bce.data.fetch import fetch
from sigmoid_bce.data.wheels import DownloadError
from support.web import serve

DATA = os.urandom(1_000_000)
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served/cats.zip").write_bytes(DATA)
    return tmp_path / "served"


@pytest.fixture
def output(tmp_path):
    return tmp_path / "downloads/cats.zip"


def part(output):
    return output.with_name(".cats.zip.part")


def test_whole(folder, output):
    with serve(folder) as (address, seen):
        fetch([f"{address}/cats.zip"], DIGEST, output)
    assert output.read_bytes() == DATA
    assert seen == [("/cats.zip", None)]
    assert list(output.parent.iterdir()) == [output]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("length", [True, False])
def test_broken_off_three_times(folder, output, ranges, length, capsys):
    breaks = [300_000, 100_000, 350_000] if ranges else [300_000, 400_000, 750_000]
    with serve(folder, ranges=ranges, break_after=breaks, length=length) as (address, seen):
        fetch([f"{address}/cats.zip"], DIGEST, output, pause=0.01)
    assert output.read_bytes() == DATA
    starts = [None, "bytes=300000-", "bytes=400000-", "bytes=750000-"]
    assert [asked for _, asked in seen] == starts
    assert "broke off" in capsys.readouterr().out


def test_resumes_after_a_kill(folder, output):
    output.parent.mkdir()
    part(output).write_bytes(DATA[:777_777])
    with serve(folder) as (address, seen):
        fetch([f"{address}/cats.zip"], DIGEST, output)
    assert output.read_bytes() == DATA
    assert seen == [("/cats.zip", "bytes=777777-")]


def test_a_server_without_ranges_loses_nothing(folder, output):
    """The server sends the file from its beginning; the bytes that are here already stay."""
    output.parent.mkdir()
    part(output).write_bytes(DATA[:800_000])
    with (
        serve(folder, ranges=False, break_after=[100_000]) as (address, _),
        pytest.raises(DownloadError, match="after 1 attempts"),
    ):
        fetch([f"{address}/cats.zip"], DIGEST, output, attempts=1)
    assert part(output).read_bytes() == DATA[:800_000]
    with serve(folder, ranges=False) as (address, _):
        fetch([f"{address}/cats.zip"], DIGEST, output)
    assert output.read_bytes() == DATA


@pytest.mark.parametrize("kept", [DATA, b"x" * 5000, DATA + b"more"])
def test_a_part_that_is_whole_or_wrong(folder, output, kept):
    output.parent.mkdir()
    part(output).write_bytes(kept)
    with serve(folder) as (address, _):
        fetch([f"{address}/cats.zip"], DIGEST, output, pause=0.01)
    assert output.read_bytes() == DATA


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_mirrors(folder, output, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/cats.zip").write_bytes(b"another file")
    with (
        serve(folder, status=404) as (none, _),
        serve(tmp_path / "other") as (other, _),
        serve(folder, status=503) as (busy, _),
        serve(folder) as (good, seen),
    ):
        away = f"http://127.0.0.1:{closed_port()}"
        urls = [f"{a}/cats.zip" for a in (away, none, other, busy, good)]
        fetch(urls, DIGEST, output, pause=0.01)
    assert output.read_bytes() == DATA
    assert seen
    assert "found " + hashlib.sha256(b"another file").hexdigest() in capsys.readouterr().out


def test_not_reachable(output):
    url = f"http://127.0.0.1:{closed_port()}/cats.zip"
    with pytest.raises(DownloadError, match=r"after 3 attempts: .*cats\.zip: .*refused"):
        fetch([url], DIGEST, output, attempts=3, pause=0.01)
    assert not output.exists()


def test_not_there_is_not_asked_again(folder, output):
    with serve(folder) as (address, seen), pytest.raises(DownloadError, match="404"):
        fetch([f"{address}/dogs.zip?key=secret"], DIGEST, output)
    assert len(seen) == 1


def test_wrong_digest_names_both_and_no_secret(folder, output):
    with serve(folder) as (address, seen), pytest.raises(DownloadError) as caught:
        fetch([f"{address}/cats.zip?key=secret"], "0" * 64, output)
    assert DIGEST in str(caught.value)
    assert "0" * 64 in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(seen) == 1
    assert list(output.parent.iterdir()) == []


def test_local_file(folder, output):
    fetch([str(folder / "cats.zip")], DIGEST, output)
    assert output.read_bytes() == DATA
    with pytest.raises(DownloadError, match=f"write sha256: {DIGEST}"):
        fetch([str(folder / "cats.zip")], "0" * 64, output)
