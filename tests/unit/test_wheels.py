"""Downloads by pip from a package index on loopback."""

import functools
import http.server
import threading
import zipfile

import pytest

from sigmoid_bce.data.wheels import DownloadError, download
from sigmoid_bce.jobs.files import sha256

NAME = "tinypack-1.0-py3-none-any.whl"


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index that serves one wheel; returns the wheel's path."""
    folder = tmp_path / "index" / "tinypack"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / NAME, "w") as wheel:
        wheel.writestr("tinypack/__init__.py", "x = 1\n" * 2000)
        info = "tinypack-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinypack\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    (folder / "index.html").write_text(f'<a href="{NAME}">{NAME}</a>')
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "index")
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
        yield folder / NAME
        server.shutdown()


def test_download(index, tmp_path):
    download("tinypack", "1.0", sha256(index), tmp_path / "out" / "a.whl")
    assert sha256(tmp_path / "out" / "a.whl") == sha256(index)


def test_wrong_digest_names_both(index, tmp_path, capsys):
    with pytest.raises(DownloadError) as caught:
        download("tinypack", "1.0", "0" * 64, tmp_path / "out" / "a.whl", attempts=2)
    for part in (NAME, "0" * 64, sha256(index)):
        assert part in str(caught.value)
    assert "attempt 1 of 2" in capsys.readouterr().out
    assert list((tmp_path / "out").iterdir()) == []


def test_truncated_file(index, tmp_path):
    digest = sha256(index)
    index.write_bytes(index.read_bytes()[:200])
    with pytest.raises(DownloadError, match="tinypack"):
        download("tinypack", "1.0", digest, tmp_path / "out" / "a.whl", attempts=1)
    assert list((tmp_path / "out").iterdir()) == []


def test_no_such_version(index, tmp_path):
    with pytest.raises(DownloadError, match=r"tinypack 9\.9: not downloaded"):
        download("tinypack", "9.9", "0" * 64, tmp_path / "a.whl", attempts=1)
