"""Download one big file over HTTP: resumed where it broke off, checked, and complete or not there at all.

Not by pooch, which asks for no ranges: after a broken connection it would begin gigabytes from the start.
"""

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

from gtp.files import read_json, require_room, sha256_of, write_text
from gtp.progress import Progress, say

PIECE = 1 << 20
TIMEOUT = 60.0
"""Seconds without a byte after which a connection counts as broken."""
PAUSES = (1.0, 4.0, 15.0)
"""Seconds before each new attempt; one that brought data starts them anew."""
TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


class DownloadError(Exception):
    """Why a file cannot be had from its URL, in a few words."""


def download(url: str, path: Path) -> str:
    """Download `url` to `path`; returns the SHA-256 of the file.

    Until it is complete it is `<path>.partial`, beside `<path>.source.json`, which tells what it is a part
    of. A later call goes on from there if the server supports ranges and still has the same file, and
    starts again otherwise. A `path` that exists is complete, and kept if it came from this URL.

    Raises: DownloadError when the server cannot be reached, refuses, or sends something else than it
    announced; UserError when there is no room for the file, OSError when it cannot be written.
    """
    source = path.with_name(f"{path.name}.source.json")
    partial = path.with_name(f"{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    if read_source(source).get("url") != url:
        for stale in (path, partial, source):
            stale.unlink(missing_ok=True)
    if not path.exists():
        fetch_patiently(url, partial, source)
        os.replace(partial, path)
    return sha256_of(path)


def fetch_patiently(url: str, partial: Path, source: Path) -> None:
    """Complete `partial`, asking again when the connection breaks."""
    pauses = iter(PAUSES)
    while True:
        before = size_of(partial)
        try:
            return fetch_rest(url, partial, source)
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            if size_of(partial) > before:
                pauses = iter(PAUSES)
            pause = next(pauses, None)
            if pause is None:
                raise DownloadError(explain(error)) from error
            say(f"{url}: {explain(error)}; trying again in {pause:g} s")
            time.sleep(pause)


def fetch_rest(url: str, partial: Path, source: Path) -> None:
    """One request for what `partial` lacks. Raises as urllib does, and DownloadError when none can help."""
    known, start = read_source(source), size_of(partial)
    if start > 0 and start == known.get("size"):
        return
    headers = {"User-Agent": "gtp"}
    if start > 0:
        headers["Range"] = f"bytes={start}-"
        if known.get("validator"):
            headers["If-Range"] = known["validator"]
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start > 0:  # the server's file ends before: ours is no part of it
            partial.unlink()
            return fetch_rest(url, partial, source)
        if error.code in TRANSIENT:
            raise
        raise DownloadError(explain(error)) from error
    except ValueError as error:  # of a malformed URL
        raise DownloadError(explain(error)) from error
    with response:
        total = announced_size(response)
        if response.status != 206:
            start = 0
        elif not fits(response, start, known.get("size")):
            partial.unlink()
            raise http.client.HTTPException("the server went on with another file")
        if total is not None:
            require_room(partial.parent, total - start, url, largest=total)
        write_text(source, json.dumps(describe(url, response)) + "\n")
        say(f"downloading {url}: {amount(total)}{f' from byte {start}' * (start > 0)}")
        receive(response, partial, start, total)


def receive(response: http.client.HTTPResponse, partial: Path, start: int, total: int | None) -> None:
    """Write what a server sends behind the first `start` bytes of `partial`."""
    progress = Progress(f"download {partial.stem}", pieces(total or 0), "MB", done=pieces(start))
    with open(partial, "ab" if start > 0 else "wb") as file:
        while piece := read_piece(response):
            file.write(piece)
            start += len(piece)
            if total is not None:
                progress.advance(pieces(start) - progress.done)
    if total is not None and start != total:
        raise http.client.HTTPException(f"the connection ended after {start} of {total} bytes")


def read_piece(response: http.client.HTTPResponse) -> bytes:
    """The next bytes; failures are URLErrors, so that those of the disk are told from them."""
    try:
        return response.read(PIECE)
    except OSError as error:
        raise urllib.error.URLError(error) from error


def describe(url: str, response: http.client.HTTPResponse) -> dict:
    """What must still hold of the server's file for a partial one to be continued."""
    validator = response.headers.get("ETag") or response.headers.get("Last-Modified")
    if validator is not None and validator.startswith("W/"):  # a weak one does not promise equal bytes
        validator = None
    return {"url": url, "size": announced_size(response), "validator": validator}


def announced_size(response: http.client.HTTPResponse) -> int | None:
    """Bytes of the whole file, as the server says; None when it does not."""
    if response.status == 206:
        size = (response.headers.get("Content-Range") or "").rpartition("/")[2]
    else:
        size = response.headers.get("Content-Length") or ""
    return int(size) if size.isdecimal() else None


def fits(response: http.client.HTTPResponse, start: int, size: int | None) -> bool:
    """Whether a partial answer goes on at `start` in a file of the size that we know."""
    content = response.headers.get("Content-Range") or ""
    return content.startswith(f"bytes {start}-") and announced_size(response) == size


def read_source(source: Path) -> dict:
    """What a partial file is a part of; empty when that is unknown."""
    try:
        known = read_json(source)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def pieces(size: int) -> int:
    return -(-size // PIECE)


def amount(size: int | None) -> str:
    return "size unknown" if size is None else f"{size / 1e6:.1f} MB"


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def explain(error: Exception) -> str:
    """The reason in one line."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    reason = getattr(error, "reason", None) or error
    return " ".join(str(getattr(reason, "strerror", None) or reason).split())[:200] or type(error).__name__
