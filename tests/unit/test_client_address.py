"""LG5: whose address counts. Only what trusted proxies say, in whatever spelling they say it."""

import pytest

from idp.web.client_address import client_address

PROXIES = ("10.0.0.0/8", "2001:db8:ffff::/48")


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1", "::FFFF:a00:1", "2001:db8:ffff::1"])
def test_a_trusted_proxy_is_believed_on_any_socket(peer: str) -> None:
    assert client_address(peer, ["203.0.113.9"], PROXIES) == "203.0.113.9"


def test_a_network_may_be_written_as_mapped() -> None:
    peer = "10.1.2.3"
    for spelling in (peer, f"::ffff:{peer}"):
        assert client_address(spelling, ["203.0.113.9"], ("::ffff:10.0.0.0/104",)) == "203.0.113.9"
    assert client_address("11.1.2.3", ["203.0.113.9"], ("::ffff:10.0.0.0/104",)) == "11.1.2.3"


@pytest.mark.parametrize(
    ("hop", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        (" 203.0.113.9:4711 ", "203.0.113.9"),
        ("[203.0.113.9]:4711", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[::ffff:203.0.113.9]:1", "203.0.113.9"),
        # Nothing to believe: the proxy's own address is all that is known.
        ("unknown", "10.0.0.1"),
        ("_hidden", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("203.0.113.9:port", "10.0.0.1"),
        ("203.0.113.9:4711:1", "10.0.0.1"),
        ("[2001:db8::1", "10.0.0.1"),
        ("203.0.113.999", "10.0.0.1"),
    ],
)
def test_what_a_proxy_may_write(hop: str, address: str) -> None:
    assert client_address("10.0.0.1", [hop], PROXIES) == address


def test_the_first_hop_that_is_not_ours_counts() -> None:
    sent = ["6.6.6.6, 203.0.113.9", "10.0.0.2:80,[::ffff:10.0.0.3]:443"]
    assert client_address("10.0.0.1", sent, PROXIES) == "203.0.113.9"
    assert client_address("10.0.0.1", ["6.6.6.6, nonsense, 10.0.0.2"], PROXIES) == "10.0.0.2"
    assert client_address("10.0.0.1", ["10.0.0.3, 10.0.0.2"], PROXIES) == "10.0.0.3"


@pytest.mark.parametrize("peer", ["203.0.113.1", "::ffff:203.0.113.1"])
def test_a_stranger_is_not_believed(peer: str) -> None:
    assert client_address(peer, ["6.6.6.6"], PROXIES) == "203.0.113.1"
    assert client_address("10.0.0.1", ["6.6.6.6"], ()) == "10.0.0.1"


WITHOUT_ADDRESS = [None, "", "unix:"]


@pytest.mark.parametrize("peer", WITHOUT_ADDRESS)
def test_a_peer_without_an_address(peer: str | None) -> None:
    assert client_address(peer, ["6.6.6.6"], PROXIES) is None
    assert client_address(peer, ["6.6.6.6"], ()) is None


@pytest.mark.parametrize("peer", WITHOUT_ADDRESS)
def test_a_trusted_proxy_on_a_unix_socket(peer: str | None) -> None:
    assert client_address(peer, ["6.6.6.6, 203.0.113.9"], ("unix",)) == "203.0.113.9"
    assert client_address(peer, ["203.0.113.9, 10.0.0.1"], ("unix", *PROXIES)) == "203.0.113.9"
    assert client_address(peer, ["nonsense"], ("unix",)) is None
    assert client_address(peer, [], ("unix",)) is None
    assert client_address("203.0.113.1", ["6.6.6.6"], ("unix",)) == "203.0.113.1"
