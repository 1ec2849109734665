"""Downloads break off, resume, change mirrors and are checked."""

import gzip
import hashlib
import os
import shutil
import socket
import time

import pytest

from sigmoid_bce.data import answers
from sigmoid_bce.data import fetch as module
from sigmoid_bce.data.faults import FaultError
from sigmoid_bce.data.fetch import fetch
from sigmoid_bce.data.wheels import DownloadError
from sigmoid_bce.jobs.files import Unwritable
from support.web import sending, serve

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


SMALL = DATA[:5000]


def answer(*headers, body=SMALL, status="200 OK"):
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode("latin-1") + body


def chunked(body, end=b"0\r\n\r\n"):
    parts = [body[i : i + 1700] for i in range(0, len(body), 1700)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end


def asked(output, *answers, attempts=2, **options):
    """Download `SMALL` from a server that sends these answers; return the requests it has seen."""
    with sending(*answers) as (address, seen):
        digest = hashlib.sha256(SMALL).hexdigest()
        fetch([f"{address}/a"], digest, output, attempts=attempts, pause=0.01, **options)
    assert output.read_bytes() == SMALL
    assert list(output.parent.iterdir()) == [output]
    return seen


LENGTH = "Content-Length: 5000"
GOOD = {
    "length": answer(LENGTH),
    "length twice": answer(LENGTH, LENGTH),
    "length in a list": answer("Content-Length: 5000, 5000"),
    "no length": answer(),
    "more than promised": answer(LENGTH, body=SMALL + b"more"),
    "more, and open": [answer(LENGTH, body=SMALL + b"more"), 1],
    "chunked": answer("Transfer-Encoding: chunked", body=chunked(SMALL)),
    "chunked, with a length": answer("Transfer-Encoding: chunked", LENGTH, body=chunked(SMALL)),
    "gzip": answer("Content-Encoding: gzip", body=gzip.compress(SMALL)),
    "x-gzip": answer("Content-Encoding: x-gzip", LENGTH),
    "identity": answer("Content-Encoding: Identity", LENGTH),
    "in pieces": [answer(LENGTH, body=b""), *(part for i in range(0, 5000, 500)
                  for part in (SMALL[i : i + 500], 0.01))],
}  # fmt: skip


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_answer(kind, output):
    assert len(asked(output, GOOD[kind])) == 1


BAD_LENGTH = r"a: its Content-Length is '{}': expected one number of bytes$"
BAD = {
    "negative": (answer("Content-Length: -5"), BAD_LENGTH.format("-5")),
    "text": (answer("Content-Length: many"), BAD_LENGTH.format("many")),
    "signed": (answer("Content-Length: +5000"), BAD_LENGTH.format(r"\+5000")),
    "underscore": (answer("Content-Length: 5_000"), BAD_LENGTH.format("5_000")),
    "other digits": (answer("Content-Length: \xb2\xb3"), BAD_LENGTH.format("²³")),
    "two": (answer("Content-Length: 5, 6"), BAD_LENGTH.format("5, 6")),
    "two headers": (answer("Content-Length: 9", LENGTH), BAD_LENGTH.format("5000, 9")),
    "endless": (answer("Content-Length: " + "9" * 5000), BAD_LENGTH.format("9{60}")),
    "too large": (answer("Content-Length: 999999999999999"), r"MB; the disk of .* MB left$"),
    "empty": (answer("Content-Length: 0", body=b""), "the server sent an empty file$"),
    "nothing": (answer(body=b""), "broke off, or ended, at 0 bytes$"),
    "no content": (answer(status="204 No Content", body=b""), "204 No Content, without a file"),
    "brotli": (answer("Content-Encoding: br", body=b"x"), "sent it encoded as 'br', unasked$"),
    "no gzip": (answer("Content-Encoding: gzip", body=b"x"), "encoded as 'gzip', unasked$"),
    "cut gzip": (answer("Content-Encoding: gzip", body=gzip.compress(SMALL)[:-9]), "'gzip'"),
    "chunks break off": (answer("Transfer-Encoding: chunked", body=chunked(SMALL[:9], b"")), "Inc"),
    "no chunk": (answer("Transfer-Encoding: chunked", body=b"zz\r\n"), "IncompleteRead"),
    "not asked": (answer("Content-Range: bytes 7-9/10", status="206 P"), "another part than the"),
    "no range": (answer("Content-Range: bytes", status="206 P"), "206 P, without a file"),
    "range and length": (
        answer("Content-Range: bytes 0-9/10", LENGTH, status="206 P"), "another part than the"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", "SSH-2.0-OpenSSH"),
    "hung up": (b"", "closed connection"),
    "many headers": (answer(*[f"X-{i}: x" for i in range(200)]), "more than 100 headers"),
    "long header": (answer("X: " + "x" * 99_999), "got more than 65536 bytes"),
    "ftp": (answer("Location: ftp://127.0.0.1/a", status="302 F"), "redirects to ftp://127.0.0.1/a:"),
    "file": (answer("Location: file:///etc/passwd", status="301 M"), "only http and https are fo"),
    "data": (answer("Location: data:,x", status="308 M"), "only http and https are followed$"),
    "no place": (answer(status="302 Found"), "302 Found$"),
    "broken place": (answer("Location: http://[::1/a", status="307 T"), "a: Invalid IPv6 URL"),
    "bad port": (answer("Location: http://a:x/a?k=secret", status="302 F"), "nonnumeric port"),
    "round": (answer("Location: /a", status="302 Found"), "302 .*infinite loop"),
    "too many lines": (answer(status="404 Not\x0bFound"), "a: 404 Not Found$"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_answer_is_one_line(kind, output):
    sent, message = BAD[kind]
    with pytest.raises(DownloadError, match=message) as caught:
        asked(output, sent)
    assert len(str(caught.value).splitlines()) == 1
    assert "secret" not in str(caught.value)
    assert not output.exists()


@pytest.mark.parametrize("kind", ["302 Found", "307 T", "308 P"])
def test_a_redirect_to_a_web_server_is_followed(kind, output):
    with sending(GOOD["length"]) as (other, _):
        asked(output, answer(f"Location: {other}/b?key=secret", status=kind, body=b""))
    output.unlink()
    asked(output, answer("Location: b c", status=kind, body=b""), GOOD["length"])


def cut(length, *headers):
    return answer(*headers, body=SMALL[:length])


RESUMED = {
    # what the first connection brings, and the answer to the request for the rest
    "range": (cut(3000, LENGTH), "206 P", ["Content-Range: bytes 3000-4999/5000"], SMALL[3000:]),
    "short": (
        cut(3000, LENGTH),
        "206 P",
        ["Content-Range: bytes 3000-3999/5000"],
        SMALL[3000:4000],
    ),
    "unknown": (cut(3000, LENGTH), "206 P", ["Content-Range: bytes 3000-4999/*"], SMALL[3000:]),
    "whole": (cut(3000, LENGTH), "200 OK", [LENGTH], SMALL),
    "whole, chunked": (cut(3000), "200 OK", ["Transfer-Encoding: chunked"], chunked(SMALL)),
    "more": (cut(3000), "206 P", ["Content-Range: bytes 3000-4999/5000"], SMALL[3000:] + b"more"),
}


@pytest.mark.parametrize("kind", RESUMED)
def test_an_answer_to_the_request_for_the_rest(kind, output):
    first, status, headers, body = RESUMED[kind]
    last = answer("Content-Range: bytes 4000-4999/5000", body=SMALL[4000:], status="206 P")
    seen = asked(output, first, answer(*headers, body=body, status=status), last)
    assert "bytes=3000-" in seen[1]
    assert len(seen) == 2 + (kind == "short")


def test_a_server_that_does_not_say_how_much_comes(output):
    for sent in (answer(), answer("Transfer-Encoding: chunked", body=chunked(SMALL))):
        with pytest.raises(DownloadError, match=r"more than 0 MB and does not say .* limit_mb"):
            asked(output, sent, most=4999)
        assert part(output).stat().st_size == 0
    asked(output, answer(), most=5000)
    output.unlink()
    asked(output, answer(LENGTH), most=1)  # the server says it: the disk is the limit


def test_a_bomb_of_gzip(output):
    bomb = answer("Content-Encoding: gzip", body=gzip.compress(bytes(10**8), 1))
    began = time.monotonic()
    with pytest.raises(DownloadError, match="encoded as 'gzip'"):
        asked(output, bomb, most=10**6)
    assert time.monotonic() - began < 5
    assert not list(output.parent.iterdir())


def test_a_disk_without_room(output, monkeypatch):
    usage = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(path)._replace(free=4999))
    with pytest.raises(DownloadError, match=r"it has 0\.0 MB; the disk of .*downloads has 0\.0 MB"):
        asked(output, answer(LENGTH))


def test_a_disk_that_is_full_stops_at_once(output, monkeypatch):
    output.parent.mkdir()
    part(output).symlink_to("/dev/full")
    with (
        sending(answer(LENGTH)) as (address, seen),
        pytest.raises(Unwritable, match="No space left"),
    ):
        fetch([f"{address}/a", f"{address}/b"], DIGEST, output)
    assert len(seen) == 1


STALLED = {
    # the server's own end comes long after that of the client's patience
    "no answer": [60],
    "half a header": [b"HTTP/1.1 200", 60],
    "header by header": [b"HTTP/1.1 200 OK\r\n", *[b"X: x\r\n", 0.05] * 90],  # 100 at most
    "continue": [b"HTTP/1.1 100 Continue\r\n\r\n", 0.05] * 90,
    "no body": [answer(LENGTH, body=b""), 60],
    "half a body": [answer(LENGTH, body=SMALL[:9]), 60],
    "byte by byte": [answer(LENGTH, body=b""), *[b"x", 0.05] * 90],
    "chunk by chunk": [answer("Transfer-Encoding: chunked", body=b""), *[b"1\r\nx\r\n", 0.05] * 90],
}


@pytest.mark.parametrize("kind", STALLED)
def test_a_server_that_stalls_is_given_up(kind, output, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.15)
    # for the client's reason, not for one that the server gave
    given_up = r"no answer in 0\.3 s|it sent nothing for 0\.3 s|it sent \d+ bytes in \d+\.\d s"
    began = time.monotonic()
    with pytest.raises(DownloadError, match=f"after 2 attempts: .*: ({given_up})$"):
        asked(output, STALLED[kind])
    assert time.monotonic() - began < 2.5


def test_a_slow_server_gets_its_time(output, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 1)
    halting = [part for i in range(0, 5000, 50) for part in (SMALL[i : i + 50], 0.04)]
    # longer than any limit in all
    assert len(asked(output, [answer(LENGTH, body=b""), *halting])) == 1


def test_each_attempt_waits_longer_for_a_server_that_is_slow_to_start(output, monkeypatch):
    waited, ask = [], answers.request
    monkeypatch.setattr(module, "TIMEOUT", 0.5)
    monkeypatch.setattr(answers, "request", lambda *asks: waited.append(asks[-1]) or ask(*asks))
    assert len(asked(output, [60], [60], GOOD["length"], attempts=3)) == 3
    assert waited == [0.5, 1, 2]


def test_a_server_that_stalls_again_and_again_and_yet_goes_on_is_not_given_up(output, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 1)
    pieces = [[cut(1000, LENGTH), 60]]
    for i in range(1000, 5000, 1000):
        headers = [f"Content-Range: bytes {i}-4999/5000"]
        pieces.append([answer(*headers, body=SMALL[i : i + 1000], status="206 P"), 60])
    assert len(asked(output, *pieces, attempts=2)) == 5


def test_an_address_that_is_none(output):
    with pytest.raises(DownloadError, match=r"http://\[::1/a: Invalid IPv6 URL$"):
        fetch(["http://me:secret@[::1/a?key=secret"], DIGEST, output)


def test_a_local_file_that_cannot_be_read(output):
    with pytest.raises(FaultError, match="mem cannot be read: Input/output error"):
        fetch(["/proc/self/mem"], DIGEST, output)
