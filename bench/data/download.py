"""Downloads that can be resumed, are checked, and appear whole or not at all."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.files.hashing import file_sha256
from bench.files.store import write_text

BLOCK_BYTES = 1 << 18
TIMEOUT_SECONDS = 30
PARTIAL_CONTENT = 206
RANGE_NOT_SATISFIABLE = 416


@dataclass(frozen=True)
class _Place:
    """Where a download goes and what is said when it fails."""

    address: str
    target: Path
    by_hand: str

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    def failure(self, reason: str) -> BenchError:
        return BenchError(
            f"Cannot download {self.address}: {reason}. Run the command again to resume, or put the file at "
            f"{self.target} or your own data at {self.by_hand}."
        )


def download(address: str, target: Path, *, sha256: str = "", by_hand: str = "") -> Path:
    """Fetch an address into ``target`` and record the file's SHA-256 beside it.

    An interrupted download leaves ``target`` absent and ``<target>.part``, from which the next call goes on.

    Args:
        address: An http or https address.
        target: The file to be made; where it exists it is only checked.
        sha256: Expected checksum; empty accepts the first download and keeps its checksum.
        by_hand: Where a user may put data instead, for error messages.

    Raises:
        BenchError: Where the address is unreachable, the download is cut short or a checksum differs.
    """
    place = _Place(address, target, by_hand)
    if not target.exists():
        _fetch(place)
        _accept(place, sha256)
    check_recorded(target, sha256)
    return target


def checksum_file(path: Path) -> Path:
    """Return where the checksum of a file is recorded."""
    return path.with_name(path.name + ".sha256")


def check_recorded(path: Path, sha256: str = "", actual: str = "") -> None:
    """Raise BenchError where a file differs from its expected or recorded checksum; no record is no error."""
    record = checksum_file(path)
    expected = sha256 or (record.read_text(encoding="utf-8").split()[0] if record.exists() else "")
    if not expected:
        return
    actual = actual or file_sha256(path)
    if actual != expected:
        raise BenchError(
            f"{path} has SHA-256 {actual[:12]}…, expected {expected[:12]}…; delete it and download it again."
        )


def _fetch(place: _Place) -> None:
    if not place.address.startswith(("http://", "https://")):
        raise place.failure("only http and https addresses are fetched")
    place.part.parent.mkdir(parents=True, exist_ok=True)
    try:
        _append(place, place.part.stat().st_size if place.part.exists() else 0)
    except urllib.error.HTTPError as error:
        error.close()
        raise place.failure(f"the server answers {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise place.failure(str(getattr(error, "reason", error))) from error


def _append(place: _Place, n_have: int) -> None:
    response = _response(place, n_have)
    if response is None:
        return
    with response:
        n_start = n_have if response.status == PARTIAL_CONTENT else 0
        length = response.headers.get("Content-Length")
        n_total = None if length is None else n_start + int(length)
        _write_blocks(place, response, n_start, n_total)
    n_got = place.part.stat().st_size
    if n_total is not None and n_got < n_total:
        raise place.failure(f"it stopped after {n_got:,} of {n_total:,} bytes")


def _response(place: _Place, n_have: int) -> http.client.HTTPResponse | None:
    """Ask for the bytes after the first ``n_have``; None where the server says that there are no more."""
    headers = {"Range": f"bytes={n_have}-"} if n_have else {}
    request = urllib.request.Request(place.address, headers=headers)  # noqa: S310 (the scheme is checked)
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)  # type: ignore[no-any-return]  # noqa: S310
    except urllib.error.HTTPError as error:
        if not (n_have and error.code == RANGE_NOT_SATISFIABLE):
            raise
        error.close()
        if error.headers.get("Content-Range") == f"bytes */{n_have}":
            return None
        # The part is longer than the file, so it belongs to an older version.
        place.part.unlink()
        return _response(place, 0)


def _write_blocks(place: _Place, response: http.client.HTTPResponse, n_start: int, n_total: int | None) -> None:
    from tqdm import tqdm

    bar = tqdm(desc=place.target.name, total=n_total, initial=n_start, unit="B", unit_scale=True, disable=None)
    with bar, place.part.open("ab" if n_start else "wb") as stream:
        while block := response.read(BLOCK_BYTES):
            stream.write(block)
            bar.update(len(block))


def _accept(place: _Place, sha256: str) -> None:
    actual = file_sha256(place.part)
    if sha256 and actual != sha256:
        place.part.unlink()
        raise BenchError(
            f"{place.address} has SHA-256 {actual[:12]}…, expected {sha256[:12]}…; the download was discarded. "
            f"Run the command again, or put your own data at {place.by_hand}."
        )
    write_text(checksum_file(place.target), f"{actual}  {place.target.name}\n")
    place.part.replace(place.target)
