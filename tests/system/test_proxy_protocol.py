"""The PROXY protocol of real load balancers: who the client is, who may say so, and what happens to wrong headers."""
import socket
import struct

import pytest

import h2wire
from procs import wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 198.51.100.9 203.0.113.1 1234 8443\r\n"


def v2(client, local, command=0x21, tlvs=b""):
    six = ":" in client[0]
    family = socket.AF_INET6 if six else socket.AF_INET
    body = b"".join(socket.inet_pton(family, a) for a, _ in (client, local)) + struct.pack(">HH", client[1], local[1])
    return SIGNATURE + bytes([command, 0x21 if six else 0x11]) + struct.pack(">H", len(body + tlvs)) + body + tlvs


def ask(proxy, header, **options):
    client = proxy.client(**options)
    client.send(header)
    return client.get("/echo")


@pytest.fixture
def balanced(make_culvert, peer):
    return make_culvert(peer, "RemoteIPProxyProtocol On", "RemoteIPTrustedProxy 127.0.0.1/32",
                        "RemoteIPProxyProtocolExceptions 127.0.0.3")


@pytest.mark.parametrize("header,client,node", [
    (V1, "198.51.100.9", "198.51.100.9"),
    (b"PROXY TCP6 2001:db8::9 2001:db8::1 1234 80\r\n", "2001:db8::9", '"[2001:db8::9]"'),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1", "127.0.0.1"),
    (v2(("192.0.2.77", 5), ("192.0.2.1", 80), tlvs=b"\x04\0\x40" + bytes(64)), "192.0.2.77", "192.0.2.77"),
    (v2(("2001:db8::77", 5), ("2001:db8::1", 80)), "2001:db8::77", '"[2001:db8::77]"'),
    (v2(("192.0.2.77", 5), ("192.0.2.1", 80), command=0x20), "127.0.0.1", "127.0.0.1"),
], ids=["v1-tcp4", "v1-tcp6", "v1-unknown", "v2-tcp4", "v2-tcp6", "v2-local"])
def test_client(balanced, peer, header, client, node):
    assert ask(balanced, header).status == 200
    assert balanced.log_line().client == client
    assert peer.last.get("x-forwarded-for") == client
    assert f"for={node};" in peer.last.get("forwarded")


def test_one_header_for_all_requests_of_a_connection(balanced, peer):
    client = balanced.client()
    client.send(V1)
    for _ in range(3):
        assert client.get("/echo").status == 200
    assert {line.client for line in balanced.log_lines(3)} == {"198.51.100.9"}


def test_a_second_header_is_a_bad_request(balanced):
    client = balanced.client()
    client.send(V1 + V1)
    assert client.response().status == 400


def test_http2_behind_a_header(balanced, peer):
    with h2wire.Client(balanced.port, before=V1) as client:
        assert client.get("/echo").status == 200
    line = balanced.log_line()
    assert (line.client, line.proto) == ("198.51.100.9", "h2")


@pytest.mark.parametrize("begin,reason", [
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "the connection does not begin with a header"),
    (b"PROXY TCP4 1.2.3.4\r\n", "the line of version 1 is malformed"),
    (SIGNATURE + b"\x21\x12\0\0", "the family of version 2 is none of a stream"),
    (b"PROXY TCP4 192.0", "it ended within its header"),
])
def test_bad_headers_close_the_connection(balanced, begin, reason):
    client = balanced.client()
    client.send(begin)
    if "ended" in reason:
        client.socket.shutdown(socket.SHUT_WR)
    assert client.rest() == b""
    wait_until(lambda: f"proxy-protocol: 127.0.0.1: closed: {reason}" in balanced.diagnostics(),
               balanced.diagnostics)
    assert balanced.written() == []


def test_who_may_speak_it(balanced, peer):
    try:
        assert balanced.client(source="127.0.0.2").rest() == b""
    except ConnectionResetError:
        pass  # it was reset before connect() returned
    wait_until(lambda: "127.0.0.2: closed: it is none of RemoteIPTrustedProxy" in balanced.diagnostics(),
               balanced.diagnostics)
    assert ask(balanced, b"", source="127.0.0.3").status == 200
    assert balanced.log_line().client == "127.0.0.3"
    assert ask(balanced, V1, source="127.0.0.3").status == 400


def test_optional(make_culvert, peer):
    proxy = make_culvert(peer, "RemoteIPProxyProtocol Optional", "RemoteIPTrustedProxy 127.0.0.1")
    assert ask(proxy, V1).status == 200
    assert ask(proxy, b"").status == 200
    assert ask(proxy, V1, source="127.0.0.2").status == 400
    assert ask(proxy, b"", source="127.0.0.2").status == 200
    assert [line.client for line in proxy.log_lines(4)] == ["198.51.100.9", "127.0.0.1", "127.0.0.2", "127.0.0.2"]


def test_each_listener_for_itself(tmp_path, make_culvert, peer):
    path = tmp_path / "front.sock"
    proxy = make_culvert(peer, f"Listen unix:{path} proxy=On")
    assert ask(proxy, b"").status == 200
    assert ask(proxy, V1, path=path).status == 200
    assert [line.client for line in proxy.log_lines(2)] == ["127.0.0.1", "198.51.100.9"]


def test_the_local_address_is_that_of_the_header(make_culvert, peer):
    """A redirect for a client that names no host leads to where it connected to."""
    peer.on("/go", lambda request: request.head(302, [("location", f"http://127.0.0.1:{peer.port}/there")], end=True))
    proxy = make_culvert(peer, "RemoteIPProxyProtocol On", "RemoteIPTrustedProxy 127.0.0.1",
                         f'ProxyPassReverse "/" "http://127.0.0.1:{peer.port}/"')
    client = proxy.client()
    client.send(V1 + b"GET /go HTTP/1.0\r\n\r\n")
    assert client.response().get("location") == "http://203.0.113.1:8443/there"
