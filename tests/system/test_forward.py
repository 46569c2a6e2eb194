"""What the backend sees of a request: paths, authority, hop-by-hop fields, forwarding fields, cookies."""
import re

import pytest

import h2wire

HOP = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te", "host"}


def test_pseudo_headers(client, peer):
    client.get("/echo?x=1&y=%20z")
    seen = peer.last
    assert [n for n, _ in seen.headers[:4] if n.startswith(":")] == [n for n, _ in seen.headers if n.startswith(":")]
    assert sorted(n for n, _ in seen.headers if n.startswith(":")) == [":authority", ":method", ":path", ":scheme"]
    assert (seen.method, seen.pseudo("scheme"), seen.path) == ("GET", "http", "/echo?x=1&y=%20z")
    assert seen.pseudo("authority") == f"127.0.0.1:{peer.port}"
    assert seen.get("host") is None


@pytest.mark.parametrize("method,headers,body,ended", [
    ("GET", [], None, True),
    ("DELETE", [], None, True),
    ("POST", [], b"", True),
    ("POST", [], b"x", False),
    ("GET", [], b"x", False),
])
def test_end_stream_of_requests_without_body(client, peer, method, headers, body, ended):
    client.ask(method, "/echo", headers, body)
    assert peer.last.end_on_headers is ended


def test_authority_with_preserve_host(make_culvert, peer):
    with make_culvert(peer, "ProxyPreserveHost On").client() as client:
        client.get("/echo", host="Front.example:8080")
    assert peer.last.pseudo("authority").lower() == "front.example:8080"
    assert peer.last.get("host") is None


def test_hop_by_hop_fields_are_removed(client, peer):
    client.get("/echo", [
        ("Connection", "X-Nominated, keep-alive"), ("Connection", "x-also"), ("X-Nominated", "1"), ("X-Also", "2"),
        ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"), ("Upgrade", "websocket"), ("TE", "gzip"),
        ("X-Kept", "3")])
    names = {n for n, _ in peer.last.fields}
    assert not names & (HOP | {"x-nominated", "x-also"})
    assert peer.last.get("x-kept") == "3"


def test_upgrade_is_not_passed_on(client, peer):
    answer = client.get("/echo", [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"),
                                  ("HTTP2-Settings", "AAMAAABkAAQAAP__")])
    assert answer.status == 200
    assert not {n for n, _ in peer.last.fields} & {"upgrade", "http2-settings", "connection"}


@pytest.mark.parametrize("sent,seen", [("trailers", ["trailers"]), ("gzip, trailers", ["trailers"]), ("gzip;q=0.5", []),
                                       ("Trailers", ["trailers"]), (None, [])])
def test_te(client, peer, sent, seen):
    client.get("/echo", [("TE", sent), ("Connection", "TE")] if sent else [])
    assert peer.last.all("te") == seen


@pytest.mark.parametrize("version", ["h1", "h2"])
@pytest.mark.parametrize("sent,seen", [("10", "09"), ("3", "2"), ("1", "0"), ("0", None), ("00", None), ("", ""), ("x", "x")])
def test_max_forwards(proxy, peer, version, sent, seen):
    """RFC 9110 7.6.2: OPTIONS passes so many proxies, and the last one answers; other methods do not care."""
    fields = [("max-forwards", sent)]
    if version == "h1":
        with proxy.client() as client:
            answers = [client.ask(method, "/echo", fields) for method in ("OPTIONS", "GET")]
    else:
        with h2wire.Client(proxy.port) as client:
            client.started()
            answers = [client.get("/echo", fields, method=method) for method in ("OPTIONS", "GET")]
    assert [answer.status for answer in answers] == [200, 200]
    assert peer.last.get("max-forwards") == sent
    assert [request.get("max-forwards") for request in peer.requests[:-1]] == ([] if seen is None else [seen])
    if seen is None:
        assert "OPTIONS" in answers[0].get("allow")
        line = proxy.log_lines(2)[0]
        assert (line.status, line.backend, line.end, line.reason) == (200, "-", "PR", "max-forwards")


def test_connection_cannot_take_the_proxys_own_fields_away(client, peer):
    client.get("/echo", [("Connection", "X-Forwarded-For, X-Forwarded-Proto, Forwarded, Via, Host, Content-Length")])
    assert peer.last.get("x-forwarded-for") == "127.0.0.1"
    assert peer.last.pseudo("authority")


def test_connection_cannot_take_the_framing_away(client, peer):
    answer = client.ask("POST", "/echo", [("Connection", "Content-Length")], b"hello")
    assert answer.status in (200, 400)
    assert all(r.size == 5 for r in peer.requests)


def test_fields_keep_order_case_of_values_and_repetition(client, peer):
    fields = [("X-A", "One"), ("x-b", "TWO  words"), ("X-a", "three"), ("Accept", "*/*"), ("X-Empty", ""),
              ("X-High", "caf\xe9")]
    client.get("/echo", fields)
    ours = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-server")
    kept = [(n, v) for n, v in peer.last.fields if (n.startswith("x-") or n == "accept") and n not in ours]
    assert kept == [(n.lower(), v) for n, v in fields]


def test_names_are_lower_case(client, peer):
    client.get("/echo", [("X-MiXeD", "1"), ("USER-AGENT", "Test")])
    assert all(n == n.lower() for n, _ in peer.last.headers)


@pytest.mark.parametrize("sent", [["a=1"], ["a=1; b=2; c=3"], ["a=1", "b=2"], ["a=\"x; y\""]])
def test_cookies(client, peer, sent):
    """However they are crumbled, they say the same (RFC 9113 8.2.3)."""
    client.get("/echo", [("Cookie", c) for c in sent])
    assert "; ".join(peer.last.all("cookie")) == "; ".join(sent)


def test_forwarding_fields(proxy, peer, client):
    client.get("/echo", host="front.example:81")
    seen = peer.last
    assert seen.all("x-forwarded-for") == ["127.0.0.1"]
    assert seen.all("x-forwarded-host") == ["front.example:81"]
    assert seen.all("x-forwarded-proto") == ["http"]
    assert len(seen.all("forwarded")) == 1
    assert forwarded(seen.get("forwarded")) == [{"for": "127.0.0.1", "host": "front.example:81", "proto": "http"}]


def forwarded(value):
    """RFC 7239's elements as dicts; a value with a colon must be quoted; `by` is left out."""
    elements = []
    for element in re.split(r",\s*", value):
        pairs = {}
        for pair in element.split(";"):
            match = re.fullmatch(r"([a-z]+)=(?:\"([^\"]*)\"|([!#$%&'*+.^_`|~0-9A-Za-z-]+))", pair)
            assert match, pair
            pairs[match[1]] = match[2] if match[2] is not None else match[3]
        pairs.pop("by", None)
        elements.append(pairs)
    return elements


def test_forwarding_fields_are_appended(client, peer):
    client.get("/echo", [("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-For", "192.0.2.8"),
                         ("Forwarded", "for=192.0.2.7;proto=https")])
    assert ", ".join(peer.last.all("x-forwarded-for")) == "192.0.2.7, 192.0.2.8, 127.0.0.1"
    elements = forwarded(", ".join(peer.last.all("forwarded")))
    assert elements[0] == {"for": "192.0.2.7", "proto": "https"}
    assert elements[-1]["for"] == "127.0.0.1"


def test_proxy_add_headers_off(make_culvert, peer):
    with make_culvert(peer, "ProxyAddHeaders Off").client() as client:
        client.get("/echo", [("X-Forwarded-For", "192.0.2.7")])
    assert peer.last.all("x-forwarded-for") == ["192.0.2.7"]
    added = {"x-forwarded-host", "x-forwarded-proto", "x-forwarded-server", "forwarded"}
    assert not {n for n, _ in peer.last.fields} & added


@pytest.mark.parametrize("mode,sent,seen", [
    ("Off", None, r""), ("Off", "1.0 old", r"1\.0 old"),
    ("On", None, r"1\.1 front\.example(:\d+)?"), ("On", "1.0 old", r"1\.0 old, 1\.1 front\.example(:\d+)?"),
    ("Full", None, r"1\.1 front\.example(:\d+)? \([^)]+\)"),
    ("Block", None, r""), ("Block", "1.0 old", r""),
])
def test_via(make_culvert, peer, mode, sent, seen):
    with make_culvert(peer, f"ProxyVia {mode}", "ServerName front.example").client() as client:
        client.get("/echo", [("Via", sent)] if sent else [])
    assert re.fullmatch(seen, ", ".join(peer.last.all("via")))


ROUTES = [
    ("/app", "/base", "/app", "/base"),
    ("/app", "/base", "/app/x", "/base/x"),
    ("/app", "/base", "/app?q", "/base?q"),
    ("/app", "/base", "/application", None),
    ("/app", "/base", "/ap", None),
    ("/app", "/base", "/App", None),
    ("/app", "/base", "/", None),
    ("/app", "/base", "/app/a%2Fb%20c", "/base/a%2Fb%20c"),
    ("/app", "/base", "/app/?a=/../b", "/base/?a=/../b"),
    ("/app", "", "/app/x", "/x"),
    ("/app/", "/base/", "/app/x/y?z", "/base/x/y?z"),
    ("/app/", "/base/", "/app", None),
    ("/", "/", "/anything", "/anything"),
    ("/", "/root/", "/x", "/root/x"),
]


@pytest.mark.parametrize("prefix,base,target,seen", ROUTES)
def test_path_mapping(make_culvert, peer, prefix, base, target, seen):
    proxy = make_culvert(None, f'ProxyPass "{prefix}" "h2c://127.0.0.1:{peer.port}{base}"')
    answer = proxy.get(target)
    line = proxy.log_line()
    assert line.path == target
    if seen is None:
        assert (answer.status, peer.requests, line.end, line.reason) == (404, [], "PR", "no-route")
    else:
        assert (answer.status, peer.last.path) == (200, seen)


def test_first_match_and_exclusion(make_culvert, make_peer):
    one, two = make_peer(), make_peer()
    proxy = make_culvert(None, "ProxyPass /app/private !", f"ProxyPass /app/one h2c://127.0.0.1:{one.port}/",
                         f"ProxyPass /app h2c://127.0.0.1:{two.port}")
    with proxy.client() as client:
        assert client.get("/app/private/x").status == 404
        client.get("/app/one/x")
        client.get("/app/oneself")
        client.get("/app/two/x")
    assert len(one.requests) == 1
    assert [r.path for r in two.requests] == ["/oneself", "/two/x"]
    assert [n.status for n in proxy.log_lines(4)] == [404, 200, 200, 200]


def test_response_hop_by_hop_fields_stay_behind(peer, client):
    peer.on("/x", lambda r: r.answer(200, [("x-kept", "1"), ("server", "s")], b"x"))
    answer = client.get("/x")
    assert (answer.get("x-kept"), answer.get("server")) == ("1", "s")
    assert answer.get("transfer-encoding") is None


@pytest.mark.parametrize("fields,length", [(50, 100), (3, 7000), (1, 20_000)])
def test_large_response_heads(client, fields, length):
    answer = client.get(f"/big-head/{fields}/{length}")
    assert answer.status == 200
    assert [len(v) for n, v in answer.headers if n.startswith("x-big")] == [length] * fields


def test_response_head_larger_than_the_proxy_holds(proxy, client, peer):
    answer = client.get("/big-head/100/4000")
    assert answer.status == 502
    line = proxy.log_line()
    assert (line.status, line.end[0], bool(line.reason)) == (502, "B", True)
    assert client.get("/echo").status == 200
