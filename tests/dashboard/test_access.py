"""Nobody gets in without the password, no other site can act for who is in, and answers say what browsers need."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import structlog

from kong_plugins.aws_masker.dashboard.access import GUESSES, LIFETIME, LOCKED, SHORTEST, Access
from kong_plugins.aws_masker.errors import ConfigError
from tests.dashboard.conftest import PASSWORD, Open, Site, Visitor

Visit = Callable[[Site], Visitor]


def test_everything_asks_for_the_password(open_site: Open) -> None:
    """Without a session only the door, what it looks like, and whether the process lives are to be seen."""
    client = Visitor(open_site().url).client
    assert client.get("/").headers["location"] == "/login"
    assert client.get("/live?minutes=60").status_code == 401
    assert client.post("/playground", content=b"x", headers={"x-csrf-token": ""}).status_code == 401
    assert client.post("/logout", data={"token": ""}).status_code == 401
    for path in ("/login", "/healthz", "/static/dashboard.js", "/static/dashboard.css", "/static/icon.svg"):
        assert client.get(path).status_code == 200
    assert client.get("/static/../app.py").status_code == 404
    assert client.get("/static/%2e%2e/app.py").status_code == 404


@pytest.mark.parametrize("given", ["", "a password of the test", PASSWORD.upper(), PASSWORD + " ", "\ud800ä"])
def test_a_wrong_password(open_site: Open, given: str) -> None:
    """Is told to be wrong, and opens nothing; it is neither repeated nor logged."""
    visitor = Visitor(open_site().url)
    body = {"token": visitor.token(), "password": given.encode("utf-8", "replace").decode()}
    with structlog.testing.capture_logs() as lines:
        answer = visitor.client.post("/login", data=body)
    assert answer.status_code == 401
    assert "That is not the password." in answer.text
    assert visitor.client.get("/").status_code == 303
    assert [line["event"] for line in lines] == ["dashboard_login_failed"]
    assert not given or given not in answer.text + str(lines)


def test_guesses_are_bounded(open_site: Open) -> None:
    """After some wrong ones the right one does not get in either, for a while."""
    visitor = Visitor(open_site().url)
    for _ in range(GUESSES):
        assert visitor.sign_in("a wrong password").status_code == 401
    answer = visitor.sign_in()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, str(LOCKED))
    assert visitor.client.get("/").status_code == 303


def test_bounds_of_guesses() -> None:
    """Each address has its own, in IPv6 each /64; time and the right password lift it."""
    now = [0.0]
    access = Access(PASSWORD, lambda: now[0])
    for number in range(GUESSES):
        assert not access.locked("2001:db8::ffff")
        assert access.open(f"2001:db8::{number}", "wrong") is None
        assert access.open("192.0.2.1", "wrong") is None
    assert access.locked("2001:db8::ffff")
    assert access.locked("192.0.2.1")
    assert not access.locked("2001:db8:0:1::1")
    assert not access.locked("192.0.2.2")
    now[0] = LOCKED + 1.0
    assert not access.locked("192.0.2.1")
    for _ in range(GUESSES - 1):
        access.open("192.0.2.1", "wrong")
    assert access.open("192.0.2.1", PASSWORD)
    access.open("192.0.2.1", "wrong")
    assert not access.locked("192.0.2.1")


def test_sessions_end() -> None:
    """With their time, and when they are closed."""
    now = [0.0]
    access = Access(PASSWORD, lambda: now[0])
    first, second = access.open("", PASSWORD), access.open("", PASSWORD)
    assert first and second and access.token(first) != access.token(second)
    access.close(first)
    assert access.token(first) is None
    assert access.token(second)
    now[0] = LIFETIME + 1.0
    assert access.token(second) is None


def test_a_short_password() -> None:
    """Is refused at the start."""
    with pytest.raises(ConfigError, match=str(SHORTEST)):
        Access("x" * (SHORTEST - 1))
    Access("x" * SHORTEST)


def test_the_cookie(open_site: Open) -> None:
    """Scripts and other sites have no use for it, and signing in changes it."""
    visitor = Visitor(open_site().url)
    before = visitor.client.get("/login").headers["set-cookie"]
    after = visitor.sign_in().headers["set-cookie"]
    for cookie in (before, after):
        assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in cookie.split(";")}
        assert "secure" not in cookie
    assert before.partition(";")[0] != after.partition(";")[0]


def test_signing_out(open_site: Open, visit: Visit) -> None:
    """Ends the session for whoever has kept the cookie, too."""
    visitor = visit(open_site())
    kept = dict(visitor.client.cookies)
    assert visitor.client.get("/").status_code == 200
    assert visitor.client.post("/logout", data={"token": "wrong"}).status_code == 403
    assert visitor.client.get("/").status_code == 200
    assert visitor.client.post("/logout", data={"token": visitor.token()}).status_code == 303
    visitor.client.cookies.update(kept)
    assert visitor.client.get("/").status_code == 303


def test_forged_forms(open_site: Open, visit: Visit) -> None:
    """What another site sends in the browser's name lacks the token, and does nothing."""
    site = open_site()
    stranger = Visitor(site.url)
    for data in ({"password": PASSWORD}, {"password": PASSWORD, "token": "x"}, {"password": PASSWORD, "token": ""}):
        assert stranger.client.post("/login", data=data).status_code == 403
    assert stranger.client.get("/").status_code == 303
    visitor = visit(site)
    for headers in ({}, {"x-csrf-token": ""}, {"x-csrf-token": "x"}, {"x-csrf-token": Visitor(site.url).token()}):
        assert visitor.client.post("/playground", content=b"x", headers=headers).status_code == 403


def test_malformed_requests(open_site: Open, visit: Visit) -> None:
    """Are refused, and nothing breaks."""
    visitor = visit(open_site())
    assert visitor.client.post("/login", content=b"\xff\xfe").status_code == 400
    assert visitor.client.post("/login", content=b"a=%ff").status_code == 400
    assert visitor.client.post("/login", content=b"x" * 5000).status_code == 413
    assert visitor.client.get("/live?minutes=7").status_code == 400
    assert visitor.client.get("/live").status_code == 400
    ((name, cookie),) = visitor.client.cookies.items()
    for forged in ("", "x", cookie[:-1], "e30=" + cookie, "e30=" + cookie[cookie.index(".") :]):
        answer = Visitor(str(visitor.client.base_url)).client.get("/", headers={"cookie": f"{name}={forged}"})
        assert answer.status_code == 303


def test_what_answers_say(open_site: Open, visit: Visit) -> None:
    """Every one has the policy; pages are not stored, and have nothing inline that the policy would forbid."""
    visitor = visit(open_site())
    for path in ("/", "/login", "/healthz", "/static/dashboard.js", "/nothing", "/live"):
        answer = visitor.client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == ("no-cache" if path.startswith("/static/") else "no-store")
        assert "server" not in answer.headers
    page = visitor.client.get("/").text
    assert "<script>" not in page and "style=" not in page and "onclick" not in page
    assert "https://" not in page  # nothing from elsewhere
