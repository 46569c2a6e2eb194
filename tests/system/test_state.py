"""SIGUSR1: the state in the log of a real process."""
import os
import re
import signal

from procs import wait_until


def state(proxy):
    """Asks for the state; the lines of this answer."""
    before = len(proxy.process.text())
    os.kill(proxy.pid, signal.SIGUSR1)
    wait_until(lambda: "log lines lost" in proxy.process.text()[before:], lambda: proxy.process.text())
    return [line for line in proxy.process.text()[before:].splitlines() if line.startswith("notice state: ")]


def line_of(lines, begin):
    return [line for line in lines if line.startswith(f"notice state: {begin}")]


def test_state_tells_of_streams_connections_and_pools(make_peer, make_culvert):
    peer = make_peer(max_concurrent_streams=3)
    proxy = make_culvert(peer, "ProxyPass /down h2c://127.0.0.1:9/")
    assert proxy.get("/echo").status == 200
    assert proxy.get("/down/x").status == 502
    connections = [proxy.client() for _ in range(5)]
    for c in connections:
        c.send_head("GET", "/hold")
    peer.wait(lambda: any(len(c.open_streams) == 3 for c in peer.connections), "3 open streams")
    wait_until(lambda: line_of(state(proxy), "running, 5 requests"), "5 requests")
    lines = state(proxy)
    [backend] = line_of(lines, f"backend 127.0.0.1:{peer.port}:")
    assert f"up, 1 of 1 connections, 3 streams, 2 waiting; port {peer.connections[0].port} open 3/3 streams" in backend
    assert line_of(lines, "backend 127.0.0.1:9: ")
    pools = " ".join(line_of(lines, "pools (used/peak/size/refused):"))
    assert re.search(r"\bclient 5/\d+/\d+/0\b", pools) and re.search(r"\bexchange 5/\d+/\d+/0\b", pools), pools
    [ends] = line_of(lines, "requests since the start:")
    assert "1 well; connect-refused 1" in ends
    assert line_of(lines, "log lines lost: 0 access, 0 diagnostics")
    assert len(lines) <= 24
    peer.gate.set()
    assert [c.response().status for c in connections] == [200] * 5
    assert line_of(state(proxy), "running, 0 requests")
