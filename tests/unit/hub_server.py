"""A local server that speaks as much of the Hugging Face hub's protocol as downloading needs.

It serves the datasets of a Minari root: the folder <root>/<name> is the dataset repository
<organisation>/<name>. The real client is pointed at it with HF_ENDPOINT. Endpoints:

GET  /api/datasets?author=A                          repositories of an organisation (for listings)
GET  /api/datasets/A/R[/revision/REV]                 {"id", "sha"}: the commit of a repository
GET  /api/datasets/A/R/tree/REV[/FOLDER]?recursive=…  files below a folder with their checksums
HEAD /datasets/A/R/resolve/REV/FILE                   size, commit and checksum; big files redirect
GET  /datasets/A/R/resolve/REV/FILE                   content of a small file
GET  /storage/SHA256                                  content of a big file, from the offset in Range

As on the hub, big files (*.hdf5, *.bin) are LFS objects that are known by their SHA-256 and come from another
host (here the same machine under its other name); the rest are git blobs known by git's SHA-1.
An unknown repository or file is 404 with the hub's X-Error-Code.
"""

import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

ORGANISATION = "farama-minari"
CHUNK = 1 << 16


@dataclass
class Request:
    """One answered request for a file's content: its path in the repository, first byte, bytes sent."""

    file: str
    start: int
    sent: int


@dataclass
class Faults:
    """What goes wrong, by path in the repository; tests set and clear these between two downloads."""

    corrupt: dict[str, int] = field(default_factory=dict)
    """Position of a byte whose lowest bit is sent flipped."""
    cut: dict[str, int] = field(default_factory=dict)
    """Bytes after which the connection closes, once for each file."""
    refuse: set[str] = field(default_factory=set)
    """Files whose content is answered with 503."""
    slow: dict[str, float] = field(default_factory=dict)
    """Seconds to wait after each chunk of 64 kB."""


class Repository:
    """One dataset repository, read from a folder once."""

    def __init__(self, folder: Path):
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        self.files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        self.digests = {
            name: sha256(content) if is_big(name) else git_sha1(content)
            for name, content in self.files.items()
        }
        self.commit = git_sha1(json.dumps(self.digests).encode())

    def describe(self, name: str) -> dict:
        """The entry of a file in the listing of a tree."""
        content = self.files[name]
        entry = {"type": "file", "path": name, "size": len(content), "oid": git_sha1(content)}
        if is_big(name):
            entry["lfs"] = {"oid": self.digests[name], "size": len(content), "pointerSize": 134}
        return entry


class HubServer:
    """Serves a Minari root on a free port of this machine until `close`."""

    def __init__(self, root: Path):
        self.repositories = {
            folder.name: Repository(folder) for folder in Path(root).iterdir() if folder.name[0] != "."
        }
        self.faults = Faults()
        self.requests: list[Request] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return self.http.server_address[1]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def transferred(self, file: str) -> int:
        """Bytes of a file's content that were sent, over all requests."""
        return sum(request.sent for request in self.requests if request.file == file)


def is_big(name: str) -> bool:
    return name.endswith((".hdf5", ".bin"))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _handler_of(server: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args) -> None:
            """Say nothing; tests look at `HubServer.requests`."""

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            url = urlsplit(self.path)
            parts = [unquote(part) for part in url.path.strip("/").split("/")]
            if parts == ["api", "datasets"]:
                known = parse_qs(url.query).get("author") == [ORGANISATION]
                names = list(server.repositories) if known else []
                self.send_json([{"id": f"{ORGANISATION}/{name}"} for name in names])
            elif parts[0] == "storage":
                self.send_stored(parts[1])
            elif parts[:2] == ["api", "datasets"]:
                self.answer_api(parts[2], parts[3], parts[4:])
            elif parts[0] == "datasets" and parts[3] == "resolve":
                self.answer_resolve(parts[1], parts[2], "/".join(parts[5:]))
            else:
                self.send_missing("EntryNotFound")

        def answer_api(self, organisation: str, name: str, rest: list[str]) -> None:
            repository = server.repositories.get(name)
            if organisation != ORGANISATION or repository is None:
                self.send_missing("RepoNotFound")
            elif rest[:1] == ["tree"]:
                below = "/".join(rest[2:])
                names = [n for n in repository.files if not below or n.startswith(below + "/")]
                if names:
                    self.send_json([repository.describe(n) for n in names])
                else:
                    self.send_missing("EntryNotFound")
            else:
                self.send_json({"id": f"{organisation}/{name}", "sha": repository.commit})

        def answer_resolve(self, organisation: str, repository_name: str, name: str) -> None:
            repository = server.repositories.get(repository_name)
            if organisation != ORGANISATION or repository is None:
                return self.send_missing("RepoNotFound")
            if name not in repository.files:
                return self.send_missing("EntryNotFound", {"X-Repo-Commit": repository.commit})
            content, digest = repository.files[name], repository.digests[name]
            if not is_big(name):
                headers = {"X-Repo-Commit": repository.commit, "ETag": f'"{digest}"'}
                return self.send_content(name, content, headers)
            headers = {
                "X-Repo-Commit": repository.commit,
                "X-Linked-ETag": f'"{digest}"',
                "X-Linked-Size": str(len(content)),
                "Location": f"http://localhost:{server.port}/storage/{digest}",
            }
            return self.send_head(302, 0, headers)

        def send_stored(self, digest: str) -> None:
            for repository in server.repositories.values():
                for name, content in repository.files.items():
                    if repository.digests[name] == digest:
                        return self.send_content(name, content, {"ETag": f'"{digest}"'})
            return self.send_missing("EntryNotFound")

        def send_content(self, name: str, content: bytes, headers: dict[str, str]) -> None:
            """Send a file from the offset that is asked for, with the faults that are set for it."""
            total, start = len(content), 0
            if self.command == "HEAD":
                return self.send_head(200, total, headers)
            if name in server.faults.refuse:
                return self.send_head(503, 0, {})
            if "Range" in self.headers:
                start = int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
                headers = headers | {"Content-Range": f"bytes {start}-{total - 1}/{total}"}
            if name in server.faults.corrupt:
                at = server.faults.corrupt[name]
                content = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
            self.send_head(206 if start else 200, total - start, headers)
            end = min(total, start + server.faults.cut.pop(name, total))
            request = Request(name, start, 0)
            server.requests.append(request)
            try:
                for at in range(start, end, CHUNK):
                    time.sleep(server.faults.slow.get(name, 0.0))
                    chunk = content[at : min(at + CHUNK, end)]
                    request.sent += len(chunk)  # first: the client may be done before `write` returns
                    self.wfile.write(chunk)
            except OSError:  # the client is gone
                pass
            if start + request.sent < total:
                self.close_connection = True
            return None

        def send_missing(self, code: str, headers: dict[str, str] | None = None) -> None:
            self.send_head(404, 0, {"X-Error-Code": code, **(headers or {})})

        def send_json(self, value) -> None:
            content = json.dumps(value).encode()
            self.send_head(200, len(content), {"Content-Type": "application/json"})
            self.wfile.write(content)

        def send_head(self, status: int, length: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(length), **headers}.items():
                self.send_header(name, value)
            self.end_headers()

    return Handler
