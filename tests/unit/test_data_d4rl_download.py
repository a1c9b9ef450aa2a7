"""D4RL's files: how they are downloaded, from a server in this process."""

import contextlib
import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from gtp.data.sources import download
from gtp.data.sources.d4rl_tasks import URLS
from gtp.data.store.card import verify_card
from gtp.errors import UserError

from .d4rl_files import (
    HOPPER,
    assert_nothing_installed,
    fetch_d4rl,
    hopper_columns,
    write_file,
)

pytestmark = pytest.mark.usefixtures("d4rl_folder")


class FileServer:
    """Serves one file at any path. Set the attributes to make it fail; `requests` are (first byte, sent)."""

    def __init__(self, content: bytes):
        self.content, self.requests = content, []
        self.ranges, self.cut, self.status, self.etag = True, [], 200, '"1"'
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                server.answer(self)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/hopper_medium-v2.hdf5"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        if self.status != 200:
            handler.send_response(self.status)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        size = len(self.content)
        start = int((re.match(r"bytes=(\d+)-", handler.headers.get("Range", "")) or [0, 0])[1])
        if not self.ranges or handler.headers.get("If-Range", self.etag) != self.etag:
            start = 0
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        handler.send_header("ETag", self.etag)
        handler.send_header("Content-Length", str(size - start))
        handler.end_headers()
        stop = self.cut.pop(0) if self.cut else size
        handler.wfile.write(self.content[start:stop])
        self.requests.append((start, stop))
        if stop < size:
            handler.close_connection = True

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    """A file of 2.5 MB that does not compress."""
    rng = np.random.default_rng(0)
    columns = hopper_columns(40_000, timeouts=range(999, 40_000, 1000))
    columns["observations"] = rng.normal(size=(40_000, 11)).astype(np.float32)
    columns["actions"] = rng.uniform(-1, 1, size=(40_000, 3)).astype(np.float32)
    path = write_file(tmp_path_factory.mktemp("served") / "file.hdf5", columns, compression=None)
    assert path.stat().st_size > 2_000_000
    return path.read_bytes()


@pytest.fixture
def server(content):
    server = FileServer(content)
    yield server
    with contextlib.suppress(OSError):
        server.close()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def assert_downloaded(card: dict, root: Path, content: bytes, url: str) -> None:
    assert card == verify_card(root / "d4rl" / HOPPER)
    assert card["recipe"]["file_sha256"] == sha256(content)
    assert (card["d4rl"]["file"], card["d4rl"]["url"]) == (None, url)
    assert (card["episodes"], card["steps"]) == (40, 40 * 999)
    assert list((root / ".building").iterdir()) == [root / ".building" / f"d4rl--{HOPPER}.lock"]


def test_a_download_without_a_checksum_says_the_one_that_it_found(server, content, root, capsys):
    fetch_d4rl(HOPPER, root, file=server.url)
    line = f"{server.url} has sha256 {sha256(content)}, which nothing here confirms"
    assert line in capsys.readouterr().err
    fetch_d4rl(HOPPER, root.with_name("other"), file=server.url, sha256=sha256(content))
    assert "nothing here confirms" not in capsys.readouterr().err


def test_the_default_is_d4rls_server(server, content, root, monkeypatch, capsys):
    monkeypatch.setitem(URLS, HOPPER, server.url)
    card = fetch_d4rl(HOPPER, root)
    assert_downloaded(card, root, content, server.url)
    assert server.requests == [(0, len(content))]
    assert f"downloading {server.url}: {len(content) / 1e6:.1f} MB" in capsys.readouterr().err
    server.close()
    assert fetch_d4rl(HOPPER, root) == card  # asks nobody


def test_a_broken_connection_is_resumed(server, content, root):
    server.cut = [1_000_000, 1_500_000]
    card = fetch_d4rl(HOPPER, root, server.url, sha256=sha256(content))
    assert_downloaded(card, root, content, server.url)
    assert server.requests == [(0, 1_000_000), (1_000_000, 1_500_000), (1_500_000, len(content))]


def test_an_interrupted_download_is_resumed_by_the_next_call(server, content, root, monkeypatch):
    monkeypatch.setattr(download, "PAUSES", ())
    server.cut = [1_000_000]
    with pytest.raises(UserError, match=r"1000000 of "):
        fetch_d4rl(HOPPER, root, server.url)
    assert not (root / "d4rl").exists()
    place = root / ".building" / f"d4rl--{HOPPER}.download"
    assert (place / f"{HOPPER}.hdf5.partial").stat().st_size == 1_000_000
    card = fetch_d4rl(HOPPER, root, server.url)
    assert_downloaded(card, root, content, server.url)
    assert server.requests[1] == (1_000_000, len(content))


@pytest.mark.parametrize("change", ["no ranges", "another file", "another URL", "shorter file"])
def test_a_download_that_cannot_be_resumed_starts_again(change, server, content, root, monkeypatch):
    monkeypatch.setattr(download, "PAUSES", ())
    server.cut = [1_000_000]
    with pytest.raises(UserError):
        fetch_d4rl(HOPPER, root, server.url)
    url = server.url
    if change == "no ranges":
        server.ranges = False
    elif change == "another file":
        server.etag = '"2"'
    elif change == "another URL":
        url += "?mirror"
    else:
        partial = root / ".building" / f"d4rl--{HOPPER}.download" / f"{HOPPER}.hdf5.partial"
        partial.write_bytes(bytes(len(content) + 10))
        server.ranges = False
    card = fetch_d4rl(HOPPER, root, url)
    assert_downloaded(card, root, content, url)
    assert server.requests[1] == (0, len(content))


def test_a_file_with_another_checksum_is_removed(server, content, root):
    with pytest.raises(UserError, match=f"has sha256 {sha256(content)} instead of {'0' * 64}"):
        fetch_d4rl(HOPPER, root, server.url, sha256="0" * 64)
    assert_nothing_installed(root)


def test_a_downloaded_file_that_is_refused_is_removed(root):
    server = FileServer(b"<html>moved</html>")
    with pytest.raises(UserError, match=f"^{re.escape(server.url)} .*HDF5"):
        fetch_d4rl(HOPPER, root, server.url)
    server.close()
    assert_nothing_installed(root)


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (503, 3)])
def test_a_server_that_refuses_is_one_line(status, requests, server, root, capsys):
    server.status = status
    with pytest.raises(UserError, match=f"cannot download {HOPPER} from {server.url}.*{status}"):
        fetch_d4rl(HOPPER, root, server.url)
    assert capsys.readouterr().err.count("trying again") == requests - 1
    assert not (root / "d4rl").exists()


def test_without_network_the_line_names_the_file_and_the_alternatives(server, root, d4rl_folder, monkeypatch):
    monkeypatch.setitem(URLS, HOPPER, server.url)
    server.close()
    with pytest.raises(UserError) as caught:
        fetch_d4rl(HOPPER, root)
    place = d4rl_folder / "hopper_medium-v2.hdf5"
    named = (HOPPER, server.url, "Connection refused", f"there is no {place}", "--file", "source: generate")
    assert all(part in str(caught.value) for part in named), str(caught.value)
    assert not (root / "d4rl").exists()


@pytest.mark.parametrize(
    "url", ["http://", "http://[", "http://a b/c", "https://127.0.0.1:99999/x", "http://ü:1/x"]
)
def test_malformed_urls_are_one_line(url, root):
    with pytest.raises(UserError, match=f"cannot download {HOPPER} from {re.escape(url)}: "):
        fetch_d4rl(HOPPER, root, url)
    assert not (root / "d4rl").exists()
