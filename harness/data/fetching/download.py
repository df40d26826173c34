"""Files from the web: resumed, retried, checked for completeness, and put in place whole.

pooch does much of this but cannot resume a partial download.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from harness.contracts import UserError
from harness.contracts.definitions import Source
from harness.data.cache.folder import cache_lock, cache_subfolder
from harness.data.fetching.marks import mark
from harness.files.progress import Progress, silent
from harness.files.space import require_disk

_CHUNK_BYTES = 1 << 18
_PASSING_STATUS = {408, 416, 425, 429, 500, 502, 503, 504}
_MOST_ATTEMPTS = 50


@dataclass(frozen=True)
class Patience:
    """How often to retry a server.

    `attempts` counts attempts in a row without progress; the wait doubles after each.
    """

    attempts: int = 5
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 30.0
    timeout_seconds: float = 30.0


PATIENCE = Patience()


class _PassingError(Exception):
    """A failure that the next attempt may not have."""


def place_of(source: Source) -> Path:
    """Return the path of a URL's file in the cache; users may place the file there by hand."""
    url = source.url or ""
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    name = re.sub(r"[^\w.+-]+", "_", unquote(Path(urlsplit(url).path).name)) or "file"
    return cache_subfolder("downloads") / f"{digest}-{name[-80:]}"


def downloaded(source: Source, progress: Progress = silent) -> Path:
    """Return the file of a `url` source, fetched if it is not in the cache yet.

    Raises
    ------
    UserError
        If the server does not give the whole file; what came so far is kept for the next time.
    """
    target = place_of(source)
    with cache_lock(f"url-{target.name}", lambda: progress("waiting for another fetch", 0, 0)):
        if not target.is_file():
            exact = source.bytes if source.member is None else None
            _Fetch(source.url or "", target, exact, progress).run()
    return target


class _Fetch:
    """A download in progress: `part` holds the bytes so far, `note` says of which file."""

    def __init__(self, url: str, target: Path, exact: int | None, progress: Progress) -> None:
        self.url = url
        self.target = target
        self.exact_bytes = exact
        self.progress = progress
        self.part = target.with_name(target.name + ".part")
        self.note = target.with_name(target.name + ".part.json")

    def run(self) -> None:
        """Retry until the file is complete, then rename it."""
        idle = 0
        wait = PATIENCE.first_wait_seconds
        for _ in range(_MOST_ATTEMPTS):
            before = self._have()
            try:
                self._attempt()
                mark(self.part, self.target)
                self.part.replace(self.target)
                self.note.unlink(missing_ok=True)
                return
            except _PassingError as error:
                last = str(error)
            idle = 0 if self._have() > before else idle + 1
            if idle >= PATIENCE.attempts:
                break
            time.sleep(wait)
            wait = min(2 * wait, PATIENCE.longest_wait_seconds)
        raise self._failure(last)

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _attempt(self) -> None:
        try:
            with _opener().open(self._request(), timeout=PATIENCE.timeout_seconds) as response:
                self._receive(response)
        except urllib.error.HTTPError as error:
            self._refused(error)
        except urllib.error.URLError as error:
            if isinstance(error.reason, socket.gaierror):
                raise self._failure(f"no such server, or no network ({error.reason})") from error
            raise _PassingError(str(error.reason)) from error
        except (OSError, http.client.HTTPException) as error:
            raise _PassingError(str(error) or type(error).__name__) from error

    def _refused(self, error: urllib.error.HTTPError) -> None:
        error.close()
        if error.code == 416:
            self.part.unlink(missing_ok=True)
        reason = f"HTTP {error.code} {error.reason}".splitlines()[0]
        if error.code in _PASSING_STATUS:
            raise _PassingError(reason)
        raise self._failure(reason) from error

    def _request(self) -> urllib.request.Request:
        headers = {"User-Agent": "annharness", "Accept-Encoding": "identity"}
        validator = self._known_validator()
        if validator and self._have():
            headers |= {"Range": f"bytes={self._have()}-", "If-Range": validator}
        return urllib.request.Request(self.url, headers=headers)

    def _known_validator(self) -> str | None:
        """The validator of the partial file: without a match there is no resuming."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            return str(note["validator"]) if note["url"] == self.url else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _receive(self, response: HTTPResponse) -> None:
        if response.headers.get_content_type() == "text/html":
            raise self._failure("a web page instead of data")
        start = self._start(response)
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else 0
        if self.exact_bytes and total and total != self.exact_bytes:
            raise self._failure(f"a file of {total:,} bytes instead of {self.exact_bytes:,}")
        require_disk(self.part.parent, max(total - start, 0), self.target.name)
        if start == 0:
            self._take_note(response)
        with self.part.open("r+b" if start else "wb") as out:
            out.seek(start)
            out.truncate()
            done = self._copy(response, out, start, total)
        if total and done != total:
            raise _PassingError(f"the connection ended after {done:,} of {total:,} bytes")

    def _start(self, response: HTTPResponse) -> int:
        """The offset at which the response begins: our size, if the server supports ranges."""
        if response.status != 206:
            return 0
        match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != self._have():
            self.part.unlink(missing_ok=True)
            raise _PassingError("the server sent another range than asked for")
        return self._have()

    def _take_note(self, response: HTTPResponse) -> None:
        etag = response.headers.get("ETag", "")
        strong = etag if etag and not etag.startswith("W/") else None
        validator = strong or response.headers.get("Last-Modified")
        self.note.unlink(missing_ok=True)
        if validator:
            note = json.dumps({"url": self.url, "validator": validator})
            self.note.write_text(note, encoding="utf-8")

    def _copy(self, response: HTTPResponse, out: IO[bytes], done: int, total: int) -> int:
        limit = self.exact_bytes
        while chunk := response.read1(_CHUNK_BYTES):
            done += len(chunk)
            if limit and done > limit:
                raise self._failure(f"more than the {limit:,} bytes it should have")
            if not total:
                require_disk(self.part.parent, len(chunk), self.target.name)
            out.write(chunk)
            self.progress(f"fetching {self.target.name.partition('-')[2]}", done, total, "bytes")
        return done

    def _failure(self, got: str) -> UserError:
        return UserError(
            "the file cannot be fetched",
            where=self.url,
            got=got,
            hint=f"fetch it by other means and place it as {self.target}",
        )


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows at most ten redirects, and none from https to a weaker scheme."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if req.type == "https" and not newurl.startswith("https:"):
            raise urllib.error.HTTPError(newurl, code, "redirect away from https", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """An opener for http and https alone: no redirect can lead to a local file."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _NoDowngrade(),
    ):
        opener.add_handler(handler)
    return opener
