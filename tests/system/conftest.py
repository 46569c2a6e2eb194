"""Fixtures: scripted backends, Culvert in front of them, and a clean end of both after every test."""
import os
import sys

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import culvert as culvert_module  # noqa: E402
from certs import Certs  # noqa: E402
from h2peer import Peer  # noqa: E402
from procs import Nghttpd  # noqa: E402


def ended(things):
    """Stops all, and only then tells the first failure."""
    errors = []
    for thing in reversed(things):
        try:
            thing.stop()
        except AssertionError as error:
            errors.append(error)
    if errors:
        raise errors[0]


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    """A CA's certificates of every kind."""
    return Certs(tmp_path_factory.mktemp("certs"))


@pytest.fixture
def make_peer():
    """Makes scripted backends: make_peer(max_concurrent_streams=4). Their complaints about the proxy fail the test."""
    peers = []

    def make(**options):
        peers.append(Peer(**options))
        return peers[-1]
    yield make
    ended(peers)
    assert [e for p in peers for e in p.errors] == []


@pytest.fixture
def peer(make_peer):
    return make_peer()


@pytest.fixture
def make_culvert(tmp_path, make_peer):
    """Makes proxies: make_culvert(backend, "Directive value", ..., args="max=2"). They stop before the backends."""
    running = []

    def make(backend=None, *lines, args="", release=False):
        directory = tmp_path / f"culvert{len(running)}"
        directory.mkdir()
        if backend is not None:
            lines = [*lines, f'ProxyPass "/" "h2c://127.0.0.1:{backend.port}/" {args}']
        binary = culvert_module.RELEASE if release else culvert_module.CHECKED
        running.append(culvert_module.Culvert(directory, lines, binary))
        return running[-1]
    yield make
    ended(running)


@pytest.fixture
def proxy(make_culvert, peer):
    """Culvert with its defaults in front of a scripted backend."""
    return make_culvert(peer)


@pytest.fixture
def make_nghttpd(tmp_path):
    """Makes nghttpd origins that serve a directory."""
    running = []

    def make(directory, *options):
        running.append(Nghttpd(directory, tmp_path / f"nghttpd{len(running)}", *options))
        return running[-1]
    yield make
    ended(running)


@pytest.fixture
def client(proxy):
    with proxy.client() as connection:
        yield connection
