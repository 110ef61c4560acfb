from __future__ import annotations

import gzip
import hashlib
import io
import random
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.data.checksums import checksum_file
from bench.data.download import SafeRedirects, download
from bench.errors import BenchError

CONTENT = gzip.compress(random.Random(0).randbytes(1 << 20), mtime=0)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """A loopback web server whose faults can be set between requests."""

    address: str = ""
    content: bytes = CONTENT
    send_at_most: int | None = None
    knows_ranges: bool = True
    version: str = '"1"'
    """Its entity tag."""
    heeds_if_range: bool = True
    headers: dict[str, str | None] = field(default_factory=dict)
    """Headers that are sent instead of the right ones; None leaves one out."""
    status: int = 200
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.ranges.append(wanted)
            is_same = not state.heeds_if_range or self.headers.get("If-Range") == state.version
            goes_on = wanted and state.knows_ranges and is_same
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and goes_on else 0
            if state.status != 200:
                self.send_error(state.status)
                return
            if start and start >= len(state.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(state.content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = state.content[start:]
            self.send_response(206 if start else 200)
            headers = {"Content-Length": str(len(body)), "ETag": state.version}
            headers |= (
                {"Content-Range": f"bytes {start}-{len(state.content) - 1}/{len(state.content)}"} if start else {}
            )
            for name, value in (headers | state.headers).items():
                if value is not None:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: state.send_at_most])

        def log_message(self, *_arguments: object) -> None:
            return

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.address = f"http://127.0.0.1:{web.server_address[1]}/reviews.json.gz"
    yield state
    web.shutdown()
    thread.join()
    web.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "reviews.json.gz"


def part_of(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def begin_part(target: Path, content: bytes, version: str = '"1"') -> None:
    part_of(target).parent.mkdir()
    part_of(target).write_bytes(content)
    target.with_name(target.name + ".part.version").write_text(version)


def test_a_file_is_fetched_whole_and_its_checksum_recorded(server: Server, target: Path) -> None:
    assert download(server.address, target) == target
    assert target.read_bytes() == CONTENT
    assert checksum_file(target).read_text() == f"{SHA256}  reviews.json.gz\n"
    assert sorted(path.name for path in target.parent.iterdir()) == ["reviews.json.gz", "reviews.json.gz.sha256"]


def test_a_file_that_is_there_is_not_fetched_again(server: Server, target: Path) -> None:
    download(server.address, target)
    download(server.address, target)
    assert len(server.ranges) == 1


def test_a_truncated_download_is_an_error_and_is_resumed(server: Server, target: Path) -> None:
    server.send_at_most = 400_000
    with pytest.raises(
        BenchError, match=rf"stopped after 400,000 of {len(CONTENT):,} bytes\. Run the command again to resume"
    ):
        download(server.address, target)
    assert not target.exists()
    assert part_of(target).read_bytes() == CONTENT[:400_000]
    server.send_at_most = None
    assert download(server.address, target).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=400000-"]
    assert not part_of(target).exists()


def test_a_server_without_ranges_starts_over(server: Server, target: Path) -> None:
    begin_part(target, b"something else")
    server.knows_ranges = False
    assert download(server.address, target).read_bytes() == CONTENT


def test_a_part_that_was_complete_is_accepted(server: Server, target: Path) -> None:
    begin_part(target, CONTENT)
    assert download(server.address, target).read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(server: Server, target: Path) -> None:
    begin_part(target, CONTENT + b"more")
    assert download(server.address, target).read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT) + 4}-", None]


def test_a_part_of_another_version_is_never_continued(server: Server, target: Path) -> None:
    begin_part(target, bytes(400_000), version='"0"')
    assert download(server.address, target).read_bytes() == CONTENT
    assert sorted(path.name for path in target.parent.iterdir()) == ["reviews.json.gz", "reviews.json.gz.sha256"]


def test_a_part_of_unknown_version_is_begun_again(server: Server, target: Path) -> None:
    part_of(target).parent.mkdir()
    part_of(target).write_bytes(bytes(400_000))
    assert download(server.address, target).read_bytes() == CONTENT
    assert server.ranges == [None]


def test_a_server_that_continues_with_another_version_is_found_out(server: Server, target: Path) -> None:
    begin_part(target, bytes(400_000), version='"0"')
    server.heeds_if_range = False
    with pytest.raises(BenchError, match="the server has another version by now"):
        download(server.address, target)
    assert download(server.address, target).read_bytes() == CONTENT


def test_a_server_that_continues_at_the_wrong_place_is_found_out(server: Server, target: Path) -> None:
    begin_part(target, CONTENT[:400_000])
    server.headers = {"Content-Range": f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"}
    with pytest.raises(BenchError, match="another version by now than the part that is here, which was deleted"):
        download(server.address, target)
    assert not part_of(target).exists()


def test_a_weak_entity_tag_is_not_trusted_but_the_time_of_change_is(server: Server, target: Path) -> None:
    server.version, server.headers = "Sat, 01 Jan 2022 00:00:00 GMT", {"ETag": 'W/"1"'}
    server.headers["Last-Modified"] = server.version
    server.send_at_most = 400_000
    with pytest.raises(BenchError, match="stopped after"):
        download(server.address, target)
    server.send_at_most = None
    assert download(server.address, target).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=400000-"]


def test_a_web_page_is_refused_and_not_kept(server: Server, target: Path) -> None:
    server.content = b"<!DOCTYPE html><title>Log in</title>"
    server.headers = {"Content-Type": "text/html; charset=utf-8"}
    with pytest.raises(BenchError, match="a web page came instead of the file"):
        download(server.address, target)
    server.headers = {}
    with pytest.raises(BenchError, match=r"what came is no whole \.gz file and was deleted"):
        download(server.address, target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("length", [None, "abc"])
def test_a_file_cut_short_without_a_known_length_is_refused(server: Server, target: Path, length: str | None) -> None:
    server.headers, server.send_at_most = {"Content-Length": length}, 400_000
    with pytest.raises(BenchError, match=r"what came is no whole \.gz file and was deleted"):
        download(server.address, target)
    server.send_at_most = None
    assert download(server.address, target).read_bytes() == CONTENT


def test_no_redirect_leaves_https() -> None:
    request = urllib.request.Request("https://127.0.0.1/reviews.json.gz")
    answer = (request, io.BytesIO(), 302, "Found", HTTPMessage())
    with pytest.raises(urllib.error.URLError, match=r"redirects from https to http://127\.0\.0\.1/x"):
        SafeRedirects().redirect_request(*answer, "http://127.0.0.1/x")
    followed = SafeRedirects().redirect_request(*answer, "https://127.0.0.1/y")
    assert followed is not None
    assert followed.full_url == "https://127.0.0.1/y"


def test_a_wrong_checksum_discards_the_download(server: Server, target: Path) -> None:
    with pytest.raises(BenchError, match=f"SHA-256 {SHA256[:12]}…, expected 000000000000…; the download was discarded"):
        download(server.address, target, sha256="0" * 64)
    assert list(target.parent.iterdir()) == []


def test_the_expected_checksum_is_accepted(server: Server, target: Path) -> None:
    assert download(server.address, target, sha256=SHA256).exists()


def test_a_file_changed_after_its_download_is_refused(server: Server, target: Path) -> None:
    download(server.address, target)
    target.write_bytes(b"changed")
    with pytest.raises(BenchError, match=r"reviews\.json\.gz has SHA-256 .* delete it and download it again"):
        download(server.address, target)


def test_a_refusing_server_leaves_nothing(server: Server, target: Path) -> None:
    server.status = 404
    with pytest.raises(BenchError, match="the server answers 404 Not Found"):
        download(server.address, target)
    assert list(target.parent.iterdir()) == []


def test_an_unreachable_address_names_itself_the_places_and_the_next_step(server: Server, target: Path) -> None:
    address = "http://127.0.0.1:9/reviews.json.gz"
    with pytest.raises(BenchError) as caught:
        download(address, target, by_hand="$BENCH_DATA/beauty/interactions.csv.gz")
    message = str(caught.value)
    assert f"Cannot download {address}: " in message
    assert str(target) in message
    assert "$BENCH_DATA/beauty/interactions.csv.gz" in message
    assert "Run the command again" in message
    assert "\n" not in message


def test_only_web_addresses_are_fetched(target: Path) -> None:
    with pytest.raises(BenchError, match="only http and https"):
        download("file:///etc/hostname", target)
