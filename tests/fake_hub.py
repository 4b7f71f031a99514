"""A Hugging Face hub on loopback, in memory: what its client needs to make a repository, commit, list and read.

Files over ``LARGE`` bytes go the way of Git LFS, the others into the commit itself, as on the real hub.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_loopback"
LARGE = 20_000


@dataclass
class Repository:
    """Files of a repository, and how often it was committed to."""

    private: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)

    @property
    def sha(self) -> str:
        return hashlib.sha1(str(len(self.commits)).encode()).hexdigest()


@dataclass
class Hub:
    """Everything that the hub holds; repositories by ``models/USER/NAME`` or ``datasets/USER/NAME``."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that answers for the length of a block."""
    hub = Hub()

    class Handler(_Handler):
        held = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    held: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._get()

    def do_GET(self) -> None:
        self._get()

    def do_PUT(self) -> None:
        self.held.objects[self.path.rpartition("/")[2]] = self._body()
        self._answer({})

    def do_POST(self) -> None:
        path, body = unquote(urlsplit(self.path).path), self._body()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer({"error": "Invalid username or password."}, 401)
        elif path == "/api/validate-yaml":
            self._validate(json.loads(body)["content"])
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif found := re.fullmatch(r"/api/(\w+/[\w-]+/[\w.-]+)/preupload/main", path):
            large = {file["path"]: file["size"] > LARGE for file in json.loads(body)["files"]}
            modes = [
                {"path": name, "uploadMode": "lfs" if big else "regular", "shouldIgnore": False}
                for name, big in large.items()
            ]
            self._answer({"files": modes})
        elif path.endswith("/info/lfs/objects/batch"):
            upload = [
                {**told, "actions": {"upload": {"href": f"{self.held.url}/objects/{told['oid']}"}}}
                for told in json.loads(body)["objects"]
            ]
            self._answer({"transfer": "basic", "objects": upload})
        elif found := re.fullmatch(r"/api/(\w+/[\w-]+/[\w.-]+)/commit/main", path):
            self._commit(found[1], body)
        else:
            self._answer({"error": f"no such thing: {path}"}, 404)

    def _validate(self, page: str) -> None:
        """As the hub: the page must begin with YAML that names a licence."""
        head = yaml.safe_load(page.split("---")[1]) if page.startswith("---\n") else {}
        errors = [] if "license" in head else [{"message": "license is missing"}]
        self._answer({"errors": errors, "warnings": []}, 400 if errors else 200)

    def _create(self, told: dict[str, Any]) -> None:
        kind = told.get("type", "model")
        name = f"{told['organization']}/{told['name']}" if told.get("organization") else told["name"]
        key = f"{kind}s/{name}"
        url = f"{self.held.url}/{'' if kind == 'model' else kind + 's/'}{name}"
        if key in self.held.repositories:
            self._answer({"error": "You already created this repo", "url": url}, 409)
            return
        self.held.repositories[key] = Repository(bool(told.get("private")) or told.get("visibility") == "private")
        self._answer({"url": url, "name": name, "id": "1"})

    def _commit(self, key: str, body: bytes) -> None:
        repository = self.held.repositories[key]
        for line in body.decode().splitlines():
            told = json.loads(line)
            value = told["value"]
            if told["key"] == "header":
                repository.commits.append(value["summary"])
            elif told["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif told["key"] == "lfsFile":
                repository.files[value["path"]] = self.held.objects[value["oid"]]
        url = f"{self.held.url}/{key}/commit/{repository.sha}"
        self._answer({"success": True, "commitUrl": url, "commitOid": repository.sha})

    def _get(self) -> None:
        path = unquote(urlsplit(self.path).path)
        found = re.fullmatch(r"/api/(\w+/[\w-]+/[\w.-]+)(?:/revision/[^/]+)?", path)
        if found and (repository := self.held.repositories.get(found[1])):
            name = found[1].partition("/")[2]
            self._answer({"id": name, "sha": repository.sha, "private": repository.private, "siblings": [], "tags": []})
            return
        found = re.fullmatch(r"/api/(\w+/[\w-]+/[\w.-]+)/tree/[^/]+/?(.*)", path)
        if found and (repository := self.held.repositories.get(found[1])):
            below = f"{found[2]}/" if found[2] else ""
            listed = [(name, held) for name, held in sorted(repository.files.items()) if name.startswith(below)]
            if below and not listed:
                self._answer({"error": "no such entry"}, 404, {"X-Error-Code": "EntryNotFound"})
            else:
                self._answer([_told(name, held) for name, held in listed])
            return
        found = re.fullmatch(r"/((?:datasets/)?)([\w-]+/[\w.-]+)/resolve/[^/]+/(.+)", path)
        repository = self.held.repositories.get(f"{found[1] or 'models/'}{found[2]}") if found else None
        if found and repository and found[3] in repository.files:
            content = repository.files[found[3]]
            if self.command == "GET":
                self.held.read.append(found[3])
            self._send(200, content, {"ETag": f'"{_told("", content)["oid"]}"', "X-Repo-Commit": repository.sha})
            return
        missing = "EntryNotFound" if repository else "RepoNotFound"
        self._answer({"error": "not found"}, 404, {"X-Error-Code": missing})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _told(name: str, content: bytes) -> dict[str, Any]:
    """A file as the hub's lists tell it."""
    oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    told: dict[str, Any] = {"type": "file", "path": name, "oid": oid, "size": len(content)}
    if len(content) > LARGE:
        told["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return told
