"""Which addresses of the network scripts may reach: those of the public internet, and what the configuration allows.

A script's address is text that a stranger may have written. So what it resolves to is judged, not how it is
spelled: `127.1`, `0x7f000001` and a name with an A record of 127.0.0.1 are the same address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# IANA's registry of IPv4 addresses for special purposes, with multicast; written out, because the standard
# library's is_private has changed from release to release.
_SPECIAL_4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), what)
    for network, what in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a carrier"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local, where clouds keep their metadata"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "for documentation"),
        ("192.31.196.0/24", "reserved for protocols"),
        ("192.52.193.0/24", "reserved for protocols"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "reserved for protocols"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
# Of IPv6 only 2000::/3 is handed out to the public; inside of it these are not, or lead elsewhere.
_PUBLIC_6 = IPv6Network("2000::/3")
_SPECIAL_6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), what)
    for network, what in (
        ("::1/128", "loopback"),
        ("::/128", "unspecified"),
        ("::ffff:0:0/96", "an IPv4 address in disguise"),
        ("64:ff9b:1::/48", "a private NAT64"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
        ("2001::/23", "reserved for protocols and Teredo"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "6to4, an IPv4 address in disguise"),
        ("3fff::/20", "for documentation"),
    )
)
# An IPv6-only network reaches every IPv4 host by this prefix, so what counts is the address inside (RFC 6052).
_NAT64 = IPv6Network("64:ff9b::/96")

_HOST = re.compile(r"^[^\W_]([\w-]*\w)?(\.[\w-]+)*$")


def why_refused(address: Address) -> str | None:
    """Return what an address is that no script may reach, such as `private`; None for one of the public."""
    if isinstance(address, IPv4Address):
        return next((what for network, what in _SPECIAL_4 if address in network), None)
    if address in _NAT64:
        inner = why_refused(IPv4Address(int(address) & 0xFFFF_FFFF))
        return inner and f"{inner}, behind NAT64"
    what = next((what for network, what in _SPECIAL_6 if address in network), None)
    return what if what is not None or address in _PUBLIC_6 else "reserved"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the configuration allows beside the public: whole networks, and hosts by name (port None: any)."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[tuple[str, int | None]] = frozenset()

    def host(self, name: str, port: int) -> bool:
        """Tell whether a host may be asked by that name, whatever it resolves to."""
        folded = fold_host(name)
        return (folded, None) in self.hosts or (folded, port) in self.hosts

    def refusal(self, address: Address) -> str | None:
        """Return why an address may not be reached, or None where it may."""
        if any(address in network for network in self.networks):
            return None
        return why_refused(address)


def read_allowed(entries: Iterable[str]) -> Allowed:
    """Return what `web.allow_hosts` says: names, name:port, addresses, address:port, networks.

    Raises ValueError with a sentence for an entry that is none of them.
    """
    networks: list[Network] = []
    hosts: set[tuple[str, int | None]] = set()
    for entry in entries:
        try:
            networks.append(ip_network(entry.strip(), strict=False))
            continue
        except ValueError:
            pass
        host, port = _host_and_port(entry)
        hosts.add((fold_host(host), port))
    return Allowed(tuple(networks), frozenset(hosts))


def fold_host(name: str) -> str:
    """Return a host's name as it is compared: lower case, without the root's dot."""
    return name.lower().rstrip(".").removeprefix("[").removesuffix("]")


def read_address(text: str) -> Address:
    """Return the address that getaddrinfo writes as text, without an IPv6 zone."""
    return ip_address(text.partition("%")[0])


def _host_and_port(entry: str) -> tuple[str, int | None]:
    host, colon, port = entry.strip().rpartition(":")
    if not colon or (host.startswith("[") and not host.endswith("]")):
        host, port = entry.strip(), ""
    elif not (port.isascii() and port.isdigit() and 0 < int(port) <= 65_535):
        raise ValueError(f"“{entry}” is no host, host:port or network such as 10.0.0.0/8")
    if host.startswith("[") and host.endswith("]"):
        read_address(host[1:-1])
    elif not _HOST.match(host):
        raise ValueError(f"“{entry}” is no host, host:port or network such as 10.0.0.0/8")
    return host, int(port) if port else None
