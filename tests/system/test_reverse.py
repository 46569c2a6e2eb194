"""Reverse mapping: what a backend says of itself in Location, Link and Set-Cookie becomes what the client knows."""
import pytest

FRONT = "front.example:81"


@pytest.fixture
def mapped(make_culvert, peer):
    """Makes a proxy with /app mapped to /base of the backend; further lines go in front."""
    def make(*lines):
        real = f"127.0.0.1:{peer.port}/base"
        return make_culvert(None, *lines, f'ProxyPass "/app" "h2c://{real}"',
                            f'ProxyPassReverse "/app" "http://{real}"',
                            'ProxyPassReverseCookiePath "/base" "/app"',
                            "ProxyPassReverseCookieDomain inner.example front.example")
    return make


def ask(proxy, peer, fields):
    """A request whose response carries the fields; {real} is the backend's authority."""
    real = f"127.0.0.1:{peer.port}"
    peer.on("/base/x", lambda r: r.answer(302, [(n, v.replace("{real}", real)) for n, v in fields], b"-"))
    with proxy.client() as client:
        return client.get("/app/x", host=FRONT)


LOCATIONS = [
    ("http://{real}/base/y?z#f", f"http://{FRONT}/app/y?z#f"),
    ("http://{real}/base", f"http://{FRONT}/app"),
    ("http://{real}/base/", f"http://{FRONT}/app/"),
    ("http://{real}/basement", "http://{real}/basement"),
    ("http://{real}/other", "http://{real}/other"),
    ("http://elsewhere.example/base/y", "http://elsewhere.example/base/y"),
    ("https://{real}/base/y", "https://{real}/base/y"),
]


@pytest.mark.parametrize("name", ["location", "content-location"])
@pytest.mark.parametrize("sent,seen", LOCATIONS)
def test_locations(mapped, peer, name, sent, seen):
    answer = ask(mapped(), peer, [(name, sent)])
    assert answer.all(name) == [seen.replace("{real}", f"127.0.0.1:{peer.port}")]


def test_locations_under_preserve_host(mapped, peer):
    """The backend then knows the client's host, and says that."""
    proxy = mapped("ProxyPreserveHost On")
    answer = ask(proxy, peer, [("location", f"http://{FRONT}/base/y")])
    assert peer.last.pseudo("authority") == FRONT
    assert answer.get("location") == f"http://{FRONT}/app/y"
    answer = ask(proxy, peer, [("location", "http://{real}/base/y")])
    assert answer.get("location") == f"http://{FRONT}/app/y"


@pytest.mark.parametrize("sent,seen", [
    ("<http://{real}/base/s.css>; rel=preload", f"<http://{FRONT}/app/s.css>; rel=preload"),
    ("<http://{real}/base/a>; rel=next, <http://other.example/base/b>; title=\"a, <b>\", <http://{real}/base/c>",
     f"<http://{FRONT}/app/a>; rel=next, <http://other.example/base/b>; title=\"a, <b>\", <http://{FRONT}/app/c>"),
])
def test_link(mapped, peer, sent, seen):
    assert ask(mapped(), peer, [("link", sent)]).all("link") == [seen]


def test_link_in_early_hints(mapped, peer):
    def hints(request):
        request.interim(103, [("link", f"<http://127.0.0.1:{peer.port}/base/s.css>; rel=preload")])
        request.answer(200, [], b"x")
    peer.on("/base/hints", hints)
    with mapped().client() as client:
        answer = client.get("/app/hints", host=FRONT)
    assert [i.get("link") for i in answer.interim] == [f"<http://{FRONT}/app/s.css>; rel=preload"]


def test_refresh_and_body_are_left_alone(mapped, peer):
    answer = ask(mapped(), peer, [("refresh", "5; url=http://{real}/base/y"), ("x-url", "http://{real}/base/y")])
    assert answer.get("refresh") == f"5; url=http://127.0.0.1:{peer.port}/base/y"
    assert answer.get("x-url") == f"http://127.0.0.1:{peer.port}/base/y"


COOKIES = [
    ("a=1; Path=/base", "a=1; path=/app"),
    ("a=1; Path=/base/x; HttpOnly", "a=1; path=/app; httponly"),  # httpd replaces the whole path
    ("a=1; path=/; Secure", "a=1; path=/; secure"),
    ("a=1; Path=/other", "a=1; path=/other"),
    ("a=1; Domain=inner.example; Path=/base", "a=1; domain=front.example; path=/app"),
    ("a=1; DOMAIN=Inner.Example", "a=1; domain=front.example"),
    ("a=1; Domain=other.example", "a=1; domain=other.example"),
    ("a=1", "a=1"),
    ("a=/base; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/base",
     "a=/base; expires=wed, 21 oct 2026 07:28:00 gmt; path=/app"),
]


@pytest.mark.parametrize("preserve", ["Off", "On"])
@pytest.mark.parametrize("sent,seen", COOKIES)
def test_cookies(mapped, peer, preserve, sent, seen):
    answer = ask(mapped(f"ProxyPreserveHost {preserve}"), peer, [("set-cookie", sent)])
    assert [c.lower() for c in answer.all("set-cookie")] == [seen]


def test_each_cookie_on_its_own_line(mapped, peer):
    sent = ["a=1; path=/base", "b=2; path=/base", "c=3"]
    answer = ask(mapped(), peer, [("set-cookie", c) for c in sent])
    assert [c.lower() for c in answer.all("set-cookie")] == ["a=1; path=/app", "b=2; path=/app", "c=3"]


def test_without_directives_nothing_is_mapped(make_culvert, peer):
    proxy = make_culvert(None, f'ProxyPass "/app" "h2c://127.0.0.1:{peer.port}/base"')
    answer = ask(proxy, peer, [("location", "http://{real}/base/y"), ("set-cookie", "a=1; Path=/base")])
    assert answer.get("location") == f"http://127.0.0.1:{peer.port}/base/y"
    assert answer.get("set-cookie") == "a=1; Path=/base"
