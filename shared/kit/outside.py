"""Where something may be posted to: somebody else's server, and not, by a name or a redirect, something inside our own network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from shared.kit.errors import Rejected

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST = 2000
LONGEST_NAME, LONGEST_PART = 253, 63

_TRANSLATED = IPv6Network("64:ff9b::/96")
"""Behind this a gateway finds the IPv4 address in the last 32 bits."""

_TRANSLATED_LOCALLY = IPv6Network("64:ff9b:1::/48")
"""Behind this as well, but where in the rest is for each network to say: it leads nowhere that can be looked at."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a deployment allows beside public addresses by https: `http` to this very machine, and networks of its own."""

    http_to_loopback: bool = False
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in its parts. `host` is a name or an address without brackets."""

    url: str
    secure: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    def at(self, address: Address) -> str:
        """The same, at the address that was looked at, so that no other answer to its name can lead it elsewhere."""
        host = f"[{address}]" if address.version == 6 else str(address)
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}{self.path}"


def target_of(url: str, rules: Rules) -> Target:
    """A URL that may be one of a webhook. Raises `Rejected` with what is wrong about it; what its name leads to is looked at
    whenever something is sent."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused("url is no URL.", "Send one such as https://crm.example/hooks/leadflow.") from None
    if len(url) > LONGEST or not url.isascii() or any(letter <= " " or letter == "\x7f" for letter in url):
        raise _refused("url has characters or a length that no URL has.", "Send it percent-encoded, in ASCII.")
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise _refused("url is no https URL.", "Send one such as https://crm.example/hooks/leadflow.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _refused(
            "url has a user, a password or a fragment.", "Leave it out; deliveries prove themselves by their signature."
        )
    secure = parts.scheme == "https"
    if not secure and not rules.http_to_loopback:
        raise _refused("url is not https.", "Send an https URL.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = Target(url, secure, parts.hostname, port or (443 if secure else 80), path)
    literal = _literal(target.host)
    if literal is None and not _is_name(target.host):
        raise _refused("url has a host that no server can have.", "Look for two dots in a row, or a part too long.")
    if literal is not None and not allowed(literal, target, rules):
        raise _refused("url leads to an address that is not public.", "Send the URL of a server that others can reach.")
    return target


def chosen(addresses: Sequence[str], target: Target, rules: Rules) -> Address | None:
    """The first of the addresses of a name where all may be sent to; None where one of them may not."""
    found = [ip_address(one.partition("%")[0]) for one in addresses]
    return found[0] if found and all(allowed(one, target, rules) for one in found) else None


def allowed(address: Address, target: Target, rules: Rules) -> bool:
    """Whether something may be sent to an address."""
    real = _meant(address)
    if not target.secure:
        return rules.http_to_loopback and real.is_loopback
    if any(real.version == network.version and real in network for network in rules.networks):
        return True
    if isinstance(real, IPv6Address) and (real.is_site_local or real in _TRANSLATED_LOCALLY):
        return False
    return real.is_global and not (real.is_multicast or real.is_reserved or real.is_unspecified)


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    for inner in (address.ipv4_mapped, address.sixtofour, address.teredo[1] if address.teredo else None):
        if inner is not None:
            return inner
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_name(host: str) -> bool:
    """Whether a name can be looked up: parts of 1 to 63 letters, 253 altogether."""
    name = host.removesuffix(".")
    return len(name) <= LONGEST_NAME and all(0 < len(part) <= LONGEST_PART for part in name.split("."))


def _refused(detail: str, fix: str) -> Rejected:
    return Rejected(detail, code="webhook-url", field="url", fix=fix)
