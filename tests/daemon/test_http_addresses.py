"""Which addresses scripts may reach."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from daemon.addresses import read_allowed, why_refused


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
        "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1",
        "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1",
        "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:10::1", "2001:db8::1",
        "2002:7f00:1::", "2002:808:808::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fd12:3456::1", "fe80::1", "fec0::1",
        "ff02::1", "4000::1", "5f00::1",
    ],
)  # fmt: skip
def test_addresses_that_no_script_may_reach(address: str) -> None:
    assert why_refused(ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::8.8.8.8"]
)
def test_addresses_of_the_public(address: str) -> None:
    assert why_refused(ip_address(address)) is None


def test_what_the_configuration_allows() -> None:
    allowed = read_allowed(
        ["10.0.0.0/8", "Intern.Example.com", "other.example.com:8080", "127.0.0.1", "fd00::/8", "[::1]:80", "1.2.3.4:5"]
    )
    assert allowed.refusal(ip_address("10.9.9.9")) is None
    assert allowed.refusal(ip_address("fd00::7")) is None
    assert allowed.refusal(ip_address("127.0.0.1")) is None
    assert allowed.refusal(ip_address("192.168.0.1"))
    assert allowed.host("intern.example.com.", 443)
    assert allowed.host("OTHER.example.com", 8080) and not allowed.host("other.example.com", 80)
    assert not allowed.host("example.com", 443) and not allowed.host("x.intern.example.com", 443)
    assert allowed.host("::1", 80) and not allowed.host("::1", 81)
    assert allowed.host("1.2.3.4", 5) and not allowed.host("1.2.3.4", 6)


@pytest.mark.parametrize("entry", ["", "10.0.0.0/99", "https://a.b", "a b", "host:port", "host:0", "*.example.com"])
def test_entries_that_mean_nothing_are_refused(entry: str) -> None:
    with pytest.raises(ValueError):
        read_allowed([entry])
