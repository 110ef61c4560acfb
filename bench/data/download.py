"""Download files: resumable, with checksums, and without ever leaving an incomplete file."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.data.checksums import check_recorded, checksum_file
from bench.data.source_files import check_whole
from bench.errors import BenchError, shown
from bench.files.hashing import file_sha256
from bench.files.lease import Lease
from bench.files.store import write_text
from bench.files.temporary import synced
from bench.progress import ProgressHook, Steps, tell

BLOCK_BYTES = 1 << 18
TIMEOUT_SECONDS = 30
PARTIAL_CONTENT = 206
RANGE_NOT_SATISFIABLE = 416
WEB_PAGE = "text/html"
LONGEST_REASON = 200


class DownloadError(BenchError):
    """A file cannot be downloaded."""

    def __init__(self, message: str, address: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.address, self.reason = address, reason


@dataclass(frozen=True)
class _Place:
    """The destination of a download, and the error if it fails."""

    address: str
    target: Path
    by_hand: str
    progress: ProgressHook

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def version_file(self) -> Path:
        """The file with the server's identifier of the version that the part belongs to."""
        return self.target.with_name(self.target.name + ".part.version")

    def version(self) -> str:
        """Return the version that the part belongs to; empty if unknown, in which case the part cannot be resumed."""
        known = self.part.exists() and self.version_file.exists()
        return self.version_file.read_text(encoding="utf-8") if known else ""

    def discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.version_file.unlink(missing_ok=True)

    def failure(self, reason: str) -> DownloadError:
        reason = shown(reason, LONGEST_REASON)
        return DownloadError(
            f"Cannot download {self.address}: {reason}. Run the command again to resume, or put the file at "
            f"{self.target} or your own data at {self.by_hand}.",
            self.address,
            reason,
        )


class SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects from https to http, because anyone on the network path could change the file."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request for the new address; raise URLError if it is less secure than the old one."""
        if req.type == "https" and not newurl.startswith("https:"):
            raise urllib.error.URLError(f"the server redirects from https to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(
    address: str,
    target: Path,
    *,
    sha256: str = "",
    by_hand: str = "",
    progress: ProgressHook = lambda _line: None,
) -> Path:
    """Download an address to ``target`` and record the file's SHA-256 next to it.

    An interrupted download leaves ``<target>.part`` and no ``target``. The next call resumes it if the server still has
    the same version. If no checksum is known, a file with an archive's name is unpacked once to check that it is
    complete.

    Args:
        address: An http or https address.
        target: The file to create; an existing file is only checked.
        sha256: Expected checksum; empty accepts the first download and records its checksum.
        by_hand: Where a user may put data instead, for error messages.
        progress: Is told how many bytes have come.

    Raises:
        BenchError: The address is unreachable, the download is incomplete or not the file, or a checksum differs.
    """
    place = _Place(address, target, by_hand, progress)
    if not target.exists():
        with Lease(target.with_name(f".{target.name}.lease")).held(target.name, progress):
            if not target.exists():
                _fetch(place)
                _accept(place, sha256)
    check_recorded(target, sha256=sha256)
    return target


def _fetch(place: _Place) -> None:
    if not place.address.startswith(("http://", "https://")):
        raise place.failure("only http and https addresses are fetched")
    place.part.parent.mkdir(parents=True, exist_ok=True)
    try:
        version = place.version()
        if not version:
            place.discard()
        _append(place, place.part.stat().st_size if version else 0, version)
    except urllib.error.HTTPError as error:
        error.close()
        raise place.failure(f"the server answers {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise place.failure(str(getattr(error, "reason", error))) from error


def _append(place: _Place, n_have: int, version: str) -> None:
    response = _response(place, n_have, version)
    if response is None:
        return
    with response:
        if response.headers.get_content_type() == WEB_PAGE:
            raise place.failure("a web page came instead of the file, perhaps of a log-in to this network")
        n_start = n_have if response.status == PARTIAL_CONTENT else 0
        if n_start and not _continues(response, n_have, version):
            place.discard()
            raise place.failure("the server has another version by now than the part that is here, which was deleted")
        length = response.headers.get("Content-Length", "")
        n_total = n_start + int(length) if length.isdecimal() else None
        if not n_start:
            place.discard()
            write_text(place.version_file, _version_of(response))
        _write_blocks(place, response, n_start, n_total)
    n_got = place.part.stat().st_size
    if n_total is not None and n_got < n_total:
        raise place.failure(f"it stopped after {n_got:,} of {n_total:,} bytes")


def _response(place: _Place, n_have: int, version: str) -> http.client.HTTPResponse | None:
    """Request the bytes after the first ``n_have``; return None if the server reports that there are no more."""
    headers = {"Range": f"bytes={n_have}-", "If-Range": version} if n_have else {}
    request = urllib.request.Request(place.address, headers=headers)  # noqa: S310 (the scheme is checked)
    try:
        opener = urllib.request.build_opener(SafeRedirects)
        return opener.open(request, timeout=TIMEOUT_SECONDS)  # type: ignore[no-any-return]
    except urllib.error.HTTPError as error:
        if not (n_have and error.code == RANGE_NOT_SATISFIABLE):
            raise
        error.close()
        if error.headers.get("Content-Range") == f"bytes */{n_have}":
            return None
        # The part is longer than the file, so it belongs to an older version.
        place.discard()
        return _response(place, 0, "")


def _version_of(response: http.client.HTTPResponse) -> str:
    """Return a file's version for If-Range: a strong entity tag, else the modification time."""
    tag: str = response.headers.get("ETag", "")
    changed: str = response.headers.get("Last-Modified", "")
    return tag if tag.startswith('"') else changed


def _continues(response: http.client.HTTPResponse, n_have: int, version: str) -> bool:
    """Return whether a partial response continues the part in the same version; some servers ignore If-Range."""
    begins = response.headers.get("Content-Range", "").startswith(f"bytes {n_have}-")
    return begins and _version_of(response) in ("", version)


def _write_blocks(place: _Place, response: http.client.HTTPResponse, n_start: int, n_total: int | None) -> None:
    what, n_have = f"downloading {place.target.name}", n_start
    tell(place.progress, Steps(what, n_have, n_total, "bytes", n_after=None))
    with place.part.open("ab" if n_start else "wb") as stream:
        while block := response.read(BLOCK_BYTES):
            n_have += stream.write(block)
            tell(place.progress, Steps(what, n_have, n_total, "bytes", n_after=None))


def _accept(place: _Place, sha256: str) -> None:
    actual = file_sha256(place.part)
    if sha256 and actual != sha256:
        place.discard()
        raise BenchError(
            f"{place.address} has SHA-256 {actual[:12]}…, expected {sha256[:12]}…; the download was discarded. "
            f"Run the command again, or put your own data at {place.by_hand}."
        )
    if not sha256:
        _check_kind(place)
    synced(place.part)
    write_text(checksum_file(place.target), f"{actual}  {place.target.name}\n")
    place.part.replace(place.target)
    place.version_file.unlink(missing_ok=True)


def _check_kind(place: _Place) -> None:
    """Raise BenchError if the file has an archive's name but is not a complete archive."""
    try:
        check_whole(place.part, place.target.suffix)
    except BenchError as error:
        place.discard()
        raise place.failure(f"what came is no whole {place.target.suffix} file and was deleted") from error
