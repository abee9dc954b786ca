"""A host's address: which ones are used, and by which way they are reached."""

from __future__ import annotations

import ipaddress
import os
import ssl
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError

from consigne.errors import UsageError
from consigne.format.link import is_base

CONNECT_TIMEOUT: Final = 10.0
READ_TIMEOUT: Final = 29.0  # over the 25 s that a host may hold a request for bytes to come


def check_base(base: str, *, insecure: bool = False) -> str:
    """A host's base address without its final slash.

    Raises UsageError `address-invalid`, and `address-insecure` for plain http to
    anything but this machine and `.onion` unless `insecure`.
    """
    base = base.rstrip("/")
    try:
        parts = urlsplit(base)
        host = parts.hostname
    except ValueError:
        host = None
    # Strict, since whoever connects may read a strange name otherwise than we judge it here.
    if not host or not is_base(base):
        raise UsageError(
            "address-invalid", "This is not the address of a host.", hint="It looks like https://host.example"
        )
    if parts.scheme == "http" and not insecure and not (_is_loopback(host) or host.endswith(".onion")):
        raise UsageError(
            "address-insecure",
            "Plain http shows your requests to everyone on the way.",
            hint="Use https, or --insecure if you know why.",
        )
    return base


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def connection_pool(base: str, connections: int) -> urllib3.PoolManager:
    """Connections to `base`, through the proxy that the environment names, if any."""
    parts = urlsplit(base)
    host = parts.hostname or ""
    options: dict[str, Any] = {
        "maxsize": connections,
        "timeout": urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
    }
    if parts.scheme == "https":
        options["ssl_context"] = ssl.create_default_context()
    proxies = getproxies() if any(name.lower().endswith("_proxy") for name in os.environ) else {}
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or _is_loopback(host) or proxy_bypass(host):
        return urllib3.PoolManager(**options)
    return _through(proxy if "://" in proxy else f"http://{proxy}", options)


def _through(proxy: str, options: dict[str, Any]) -> urllib3.PoolManager:
    """Raises UsageError `address-invalid` for a proxy that nobody can use."""
    try:
        if proxy.startswith("socks"):
            from urllib3.contrib.socks import SOCKSProxyManager

            return SOCKSProxyManager(proxy.replace("socks5://", "socks5h://"), **options)
        return urllib3.ProxyManager(proxy, **options)
    except (ValueError, ImportError, HTTPError):
        raise UsageError(
            "address-invalid",
            "The proxy that the environment names cannot be used.",
            hint="It looks like http://host:port, or socks5h://host:port with consigne[socks].",
        ) from None
