"""Attacks with uploads: what is no picture, what is too much of one, and what a picture may tell or do."""

import re
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from tests.helpers.browser import Browser, Person
from tests.helpers.photographs import (
    GPS_PLACE,
    RED,
    SECRET_COMMENT,
    animation,
    bomb,
    encoded,
    is_near,
    photograph,
    seen,
    with_exif,
)
from tests.helpers.profile import csrf_of, save, signed_in, upload
from tests.helpers.server import Server

PICTURE = "/account/profile/picture"
MEGABYTE = 1024 * 1024
SCRIPT = b"<script>alert(document.domain)</script>"


def picture_of(server: Server, person: Person) -> str | None:
    with server.administrator.provider() as provider:
        user = provider.users.get(person.id)
        assert user is not None
        return user.picture


def fetched(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False)


@pytest.fixture
def inside(browser: Browser, person: Person) -> Browser:
    signed_in(browser, person)
    return browser


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        ("me.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("me.png", "image/png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("me.html", "text/html", b"<!doctype html>" + SCRIPT),
        ("me.png", "image/png", b"\x89PNG\r\n\x1a\n" + SCRIPT),
        ("me.gif", "image/gif", b"GIF89a/*" + SCRIPT + b"*/=1;"),
        ("me.jpg", "image/jpeg", b"\xff\xd8\xff\xe0\x00\x10JFIF" + SCRIPT),
        ("me.pdf", "image/png", b"%PDF-1.7 /JavaScript"),
        ("me.webp", "image/webp", b"RIFF\x00\x00\x00\x00WEBP" + SCRIPT),
        ("me.avif", "image/avif", b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1" + SCRIPT * 40),
        ("me.eps", "image/png", b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) run"),
        ("me.mvg", "image/png", b"push graphic-context\nfill 'url(https://evil.example/)'"),
    ],
)
def test_wb1_what_is_no_picture_is_refused_whatever_it_is_called(
    server: Server, inside: Browser, person: Person, name: str, kind: str, data: bytes
) -> None:
    response = upload(inside, data, name=name, kind=kind)
    assert response.status_code == 422
    assert 'role="alert"' in response.text
    assert picture_of(server, person) is None


@pytest.mark.parametrize(
    "name", ["x.html", "x.svg", "../../../etc/cron.d/x", "x\r\nX-Evil: 1", '"><script>', "‮gnp.exe", ""]
)
def test_wb1_wb3_neither_name_nor_type_of_the_upload_is_ever_used(
    server: Server, inside: Browser, person: Person, name: str
) -> None:
    response = upload(inside, photograph(), name=name or " ", kind="text/html")
    assert response.status_code == 303, response.text[:300]
    url = picture_of(server, person) or ""
    assert re.fullmatch(re.escape(server.issuer) + r"/avatars/[0-9a-f]{64}/512\.webp", url)
    served = fetched(url)
    assert served.headers["Content-Type"] == "image/webp"
    assert served.headers["Content-Disposition"] == 'inline; filename="avatar.webp"'
    assert "X-Evil" not in served.headers


def test_wb1_of_a_polyglot_only_the_picture_is_left(server: Server, inside: Browser, person: Person) -> None:
    archive = b"PK\x03\x04" + SCRIPT + b"PK\x05\x06" + bytes(18)
    for whole in (
        photograph(64, 64) + archive,
        photograph(64, 64, "JPEG", comment=SCRIPT) + archive,
        photograph(64, 64, "GIF", comment=SCRIPT) + archive,
        photograph(64, 64, "WEBP", xmp=SCRIPT) + archive,
    ):
        assert upload(inside, whole).status_code == 303
        served = fetched(picture_of(server, person) or "").content
        assert b"script" not in served
        assert b"PK" not in served
        assert is_near(seen(served).convert("RGB").getpixel((9, 9)), RED, 20)


def test_a_photograph_does_not_tell_where_it_was_taken(server: Server, inside: Browser, person: Person) -> None:
    assert upload(inside, with_exif(6)).status_code == 303
    base = (picture_of(server, person) or "").rpartition("/")[0]
    for side in (512, 256, 96):
        served = fetched(f"{base}/{side}.webp").content
        for trace in (GPS_PLACE, SECRET_COMMENT, b"Exif", b"EXIF", b"SERIAL", b"Camera"):
            assert trace not in served
    kept = b"".join(path.read_bytes() for path in (server.directory / "avatars").rglob("*") if path.is_file())
    assert GPS_PLACE not in kept


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (bomb(), 422),
        (bomb(7_500), 422),
        (photograph(64, 64)[:-30], 422),
        (b"", 422),
        (animation(1000), 303),
        (encoded(Image.new("CMYK", (80, 80)), "JPEG"), 303),
    ],
)
def test_the_awkward_ends_quickly(inside: Browser, data: bytes, status: int) -> None:
    started = time.monotonic()
    assert upload(inside, data).status_code == status
    assert time.monotonic() - started < 10


def test_large_uploads_are_refused_on_the_page(server: Server, inside: Browser, person: Person) -> None:
    just_too_large = photograph(8, 8) + bytes(5 * MEGABYTE)
    response = upload(inside, just_too_large)
    assert response.status_code == 422
    assert "5 MB" in response.text
    response = upload(inside, photograph(8, 8) + bytes(6 * MEGABYTE))
    assert (response.status_code, urlsplit(response.headers["Location"]).path) == (303, PICTURE)
    assert "too large" in inside.page(PICTURE).text
    assert picture_of(server, person) is None
    assert upload(inside, photograph(8, 8) + bytes(4 * MEGABYTE)).status_code == 303


def test_nobody_else_may_send_as_much(server: Server, inside: Browser) -> None:
    token = csrf_of(inside.page(PICTURE))
    body = {"csrf_token": token, "name": "x" * MEGABYTE}
    for path in ("/account/profile/details", "/account/profile/address", "/account/preferences"):
        assert inside.http.post(server.issuer + path, data=body).status_code == 413
        files = {"picture": ("x.png", bytes(MEGABYTE), "image/png")}
        assert inside.http.post(server.issuer + path, data={"csrf_token": token}, files=files).status_code == 413
    # A field of the form is no file: it may not fill the memory.
    assert inside.http.post(server.issuer + PICTURE, data=body).status_code in (303, 413)


def test_strangers_upload_nothing(server: Server, browser: Browser) -> None:
    files = {"picture": ("x.png", photograph(), "image/png")}
    response = browser.http.post(server.issuer + PICTURE, files=files)
    assert response.status_code in (303, 400)
    assert not response.headers.get("Location", "").startswith("/avatars")


def test_csrf_an_upload_needs_the_token_of_the_form(server: Server, inside: Browser, person: Person) -> None:
    for token, site in (("", "same-origin"), ("x", "same-origin"), (csrf_of(inside.page(PICTURE)), "cross-site")):
        response = inside.http.post(
            server.issuer + PICTURE,
            data={"csrf_token": token},
            files={"picture": ("x.png", photograph(), "image/png")},
            headers={"Sec-Fetch-Site": site},
        )
        assert response.status_code == 400
    assert picture_of(server, person) is None


def _multipart(parts: int, *, name: str = "p", size: int = 1) -> tuple[bytes, str]:
    boundary = "b0undary"
    lines = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}{number}"\r\n\r\n'.encode()
        + b"x" * size
        + b"\r\n"
        for number in range(parts)
    )
    return lines + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


@pytest.mark.parametrize(("parts", "size"), [(10_000, 1), (300, 1), (150, 4096)])
def test_wb6_ten_thousand_parts_are_not_read(inside: Browser, server: Server, parts: int, size: int) -> None:
    body, kind = _multipart(parts, size=size)
    started = time.monotonic()
    response = inside.http.post(server.issuer + PICTURE, content=body, headers={"Content-Type": kind})
    assert response.status_code in (303, 400, 413)
    assert "avatars" not in response.headers.get("Location", "")
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x\r\n\r\n"),
        ("multipart/form-data; boundary=", b"----\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=picture; filename=x\r\n\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 50_000 + b"\r\nx\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b"\r\n" * 200_000),
        ("multipart/form-data; boundary=" + "x" * 5000, b"--x--"),
        ("application/json", b'{"picture": ' + b"[" * 100_000),
        ("image/png", photograph()),
    ],
)
def test_wb6_malformed_bodies_are_the_senders_fault(inside: Browser, server: Server, kind: str, body: bytes) -> None:
    response = inside.http.post(server.issuer + PICTURE, content=body, headers={"Content-Type": kind})
    assert response.status_code in (303, 400, 413, 422)
    assert inside.page(PICTURE).status == 200


def test_an_upload_that_never_ends_is_no_worry_of_others(server: Server, inside: Browser) -> None:
    parts = urlsplit(server.issuer)
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in inside.cookies.jar)
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as slow:
        slow.sendall(
            f"POST {PICTURE} HTTP/1.1\r\nHost: {parts.netloc}\r\nCookie: {cookies}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5000000\r\n\r\n--x\r\n".encode()
        )
        assert inside.page(PICTURE).status == 200
        assert upload(inside, photograph(8, 8)).status_code == 303


def test_decoders_of_many_uploads_leave_room_for_sign_ins(server: Server, inside: Browser, person: Person) -> None:
    slow = encoded(Image.effect_noise((3000, 3000), 99).convert("RGB"), "AVIF", speed=10, quality=30)
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(upload(inside, slow).status_code)) for _ in range(6)]
    for thread in threads:
        thread.start()
    started = time.monotonic()
    assert signed_in(server.browser(), person).status == 200
    waited = time.monotonic() - started
    for thread in threads:
        thread.join()
    assert set(statuses) <= {303, 422, 503}
    assert waited < 8


def test_uploads_are_counted(server: Server, inside: Browser) -> None:
    statuses = [upload(inside, photograph(2, 2)).status_code for _ in range(21)]
    assert statuses == [303] * 20 + [429]


def test_names_cannot_be_guessed_and_tell_nothing(server: Server, inside: Browser, person: Person) -> None:
    other_browser, other = server.browser(), server.create_user()
    signed_in(other_browser, other)
    upload(inside, photograph())
    upload(other_browser, photograph())
    mine, theirs = picture_of(server, person) or "", picture_of(server, other) or ""
    assert mine != theirs  # the same picture, and nothing in common
    assert fetched(mine).headers["ETag"] != fetched(theirs).headers["ETag"]
    assert person.id not in mine
    absent = fetched(f"{server.issuer}/avatars/{'0' * 64}/512.webp")
    for path in (
        f"/avatars/{person.id}/512.webp", "/avatars/", "/avatars", f"/avatars/{'0' * 64}", "/avatars/../keys/kek",
        "/avatars/..%2f..%2fkeys%2fkek/96.webp", f"{urlsplit(mine).path.upper()}", f"{urlsplit(mine).path[:-9]}/0.webp",
        f"{urlsplit(mine).path[:-9]}/-1.webp", f"{urlsplit(mine).path[:-9]}/99999999999999999999.webp",
        f"{urlsplit(mine).path}/", f"/avatars/{'%00' * 20}/96.webp", f"/avatars/{'é' * 64}/96.webp",
    ):  # fmt: skip
        response = fetched(server.issuer + path)
        assert response.status_code in (308, 404), (path, response.status_code)
    assert absent.status_code == 404


def test_wb2_nothing_in_a_profile_is_ever_markup(server: Server, inside: Browser, person: Person) -> None:
    evil = "\"'><script>alert(1)</script>{{7*7}}<img src=x onerror=alert(1)>"
    save(inside, "/account/profile/details", {"name": evil, "nickname": evil, "gender": "other", "gender_own": evil})
    save(inside, "/account/profile/address", {"street_address": f"{evil}\r\n{evil}", "country": evil})
    for path in ("/", "/account/", "/account/profile", "/account/profile/details", "/account/profile/address"):
        html = inside.page(path).html
        assert "<script>alert(1)" not in html, path
        assert "<img src=x" not in html, path
        assert "49" not in re.sub(r"[0-9a-f]{16,}|\S{40,}", "", html) or "{{7*7}}" in html, path
    late = inside.page("/account/profile/address")
    save(inside, "/account/profile/address", {"locality": "x"})
    assert "<script>alert(1)" not in save(inside, "/account/profile/address", {"locality": evil}, page=late).html


def test_wb3_line_breaks_reach_no_header_no_mail_and_no_log(server: Server, inside: Browser, person: Person) -> None:
    for value in ("Ada\r\nSet-Cookie: x=1", "Ada\nBcc: all@example.com", "Ada\x00", "Ada\u2028x"):
        page = save(inside, "/account/profile/details", {"name": value})
        assert page.status == 422
        assert "x=1" not in str(page.headers)
    assert "Bcc: all@" not in Path(server.log).read_text()
