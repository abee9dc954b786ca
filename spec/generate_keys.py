"""Vectors of secrets, rights, passwords and links."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from generate_primitives import (
    DOWNLOAD,
    MANAGE,
    PASSWORD_FLAG,
    Owner,
    Vector,
    commitment_of,
    fragment_of,
    label_bytes,
    link_id_of,
    password_root,
    read_token_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNERS = {
    "owner-a": (label_bytes("derivation/owner-a"), "Everything that follows from an owner secret."),
    "owner-b": (label_bytes("derivation/owner-b"), "Another owner secret shares nothing with the first."),
    "owner-zeros": (bytes(32), "An owner secret of zero bytes is derived from like any other."),
    "owner-ones": (b"\xff" * 32, "An owner secret of 0xff bytes is derived from like any other."),
}

LINKS = {
    "link-0": (0, "The first link of every object has n = 0."),
    "link-1": (1, "n goes into the label in decimal."),
    "link-10": (10, "n = 10 is not n = 1 followed by anything: only the whole label counts."),
    "link-53-bits": (2**53 + 1, "n is computed exactly above 2^53."),
    "link-63-bits": (7_738_135_660_526_042_113, "A later link has a random n of 63 bits."),
    "link-largest": (2**63 - 1, "The largest n."),
}

PASSWORDS = {
    "ascii": ("correct horse battery staple", "A password of ASCII characters, spaces included."),
    "one-character": ("x", "One character is a password."),
    "spaces": ("  ", "Spaces are characters: nothing is trimmed."),
    "nfc": ("\u00e9l\u00e8ve", "Composed characters are taken as they are."),
    "nfd": ("e\u0301le\u0300ve", "The same password decomposed (NFD) gives the same values as composed."),
    "singleton": ("\u212b", "U+212B ANGSTROM SIGN becomes U+00C5 under NFC."),
    "compatibility": ("\ufb01n", "U+FB01 stays a ligature: NFC folds no compatibility characters."),
    "hangul": ("\u1112\u1161\u11ab", "Hangul jamo compose to one syllable."),
    "emoji": ("\U0001f9f3\U0001f511\ufe0f", "Characters outside the basic plane are four bytes of UTF-8."),
    "nul": ("a\x00b", "U+0000 is a character: the password does not end there."),
    "long": ("consigne" * 128, "A password of 1,024 characters is taken whole."),
}

REFUSED_PASSWORDS = {
    "empty": ("", "An empty password is refused: it is no password."),
    "lone-high-surrogate": ("pass\ud83d", "A lone high surrogate has no UTF-8 and is refused."),
    "lone-low-surrogate": ("\ude00word", "A lone low surrogate has no UTF-8 and is refused."),
}


def derivations() -> Iterator[tuple[str, Vector]]:
    """Give what follows from owner secrets, link numbers and passwords."""
    for name, (secret, about) in OWNERS.items():
        yield name, _owner(secret, about)
    for name, (n, about) in LINKS.items():
        yield name, _link(n, about)
    for name, (password, about) in PASSWORDS.items():
        yield f"password-{name}", _password(password, about)
    for name, (password, about) in REFUSED_PASSWORDS.items():
        given = {"link_secret": label_bytes("derivation/password").hex(), "password": password}
        yield (
            f"password-refused-{name}",
            {"expect": "password-unusable", "about": about, "kind": "derivation", "given": given},
        )


def _owner(secret: bytes, about: str) -> Vector:
    owner = Owner(secret)
    gives = {
        "owner_token": owner.token,
        "owner_hash": owner.hash,
        "content_key": owner.content_key,
        "content_commitment": commitment_of(owner.content_key),
        "object_id": owner.object_id,
        "content_header": owner.content_header,
        "owner_root": owner.root,
    }
    return _derivation(about, {"owner_secret": secret.hex()}, gives)


def _link(n: int, about: str) -> Vector:
    owner = Owner(label_bytes("derivation/owner-a"))
    secret = owner.link_secret(n)
    gives = {
        "object_id": owner.object_id,
        "seed": owner.seed(n),
        "link_secret": secret,
        "link_id": link_id_of(secret),
        "read_token": read_token_of(secret),
    }
    return _derivation(about, {"owner_secret": owner.secret.hex(), "n": str(n)}, gives)


def _password(password: str, about: str) -> Vector:
    secret = label_bytes("derivation/password")
    root = password_root(secret, password)
    gives = {
        "password_bytes": unicodedata.normalize("NFC", password).encode(),
        "password_root": root,
        "link_id": link_id_of(secret),
        "read_token": read_token_of(root),
    }
    return _derivation(about, {"link_secret": secret.hex(), "password": password}, gives)


def _derivation(about: str, given: dict[str, str], gives: dict[str, bytes]) -> Vector:
    shown = {name: value.hex() for name, value in gives.items()}
    return {"expect": "success", "about": about, "kind": "derivation", "given": given, "gives": shown}


SECRET = label_bytes("link/secret")
WHOLE = fragment_of(DOWNLOAD, 0, SECRET)
NEWER_KIND = fragment_of(0x12, 0, SECRET)

FRAGMENTS = {
    "download": (DOWNLOAD, 0, "A download link without a password."),
    "download-password": (DOWNLOAD, PASSWORD_FLAG, "Flag bit 0 says that a password is needed."),
    "manage": (MANAGE, 0, "A manage link holds the owner secret."),
}

INCOMPLETE = {
    "empty": ("", "There is nothing after the #."),
    "one-character": ("E", "One character is too short to tell a kind: incomplete, not newer."),
    "three-characters": (NEWER_KIND[:3], "Fewer than four characters tell no kind, not even an unknown one."),
    "four-characters": (WHOLE[:4], "A known kind, flags, one byte of the secret and nothing else."),
    "45-characters": (WHOLE[:45], "The last character is missing."),
    "47-characters": (WHOLE + "A", "One character too many."),
    "half": (WHOLE[:23], "A link cut in the middle, as by a line break in a message."),
    "doubled": (WHOLE + WHOLE, "The same fragment twice."),
    "padding": (WHOLE + "==", "Padding is not part of the text."),
    "padding-instead": (WHOLE[:45] + "=", "46 characters, the last one padding."),
    "last-character": (
        WHOLE[:45] + chr(ord(WHOLE[45]) + 1),
        "The last character carries bits that must be zero: encoding again gives another text.",
    ),
    "standard-alphabet": (WHOLE[:20] + "+/" + WHOLE[22:], "Base64's + and / are not of the alphabet."),
    "space": (WHOLE[:20] + " " + WHOLE[21:], "A space is not skipped."),
    "line-feed": (WHOLE + "\n", "A final line feed is not skipped: callers trim, the format does not."),
    "full-stop": (WHOLE + ".", "The full stop of a sentence that ends with the link."),
    "not-ascii": (WHOLE[:30] + "\u212a" + WHOLE[31:], "U+212A KELVIN SIGN is not a K."),
    "full-width": (WHOLE[:30] + "\uff11" + WHOLE[31:], "A full-width digit is not a digit of the alphabet."),
    "first-character": ("!" + WHOLE[1:], "No kind can be read: incomplete, not newer."),
    "fourth-character": (
        NEWER_KIND[:3] + "=" + NEWER_KIND[4:],
        "The kind is read out of the first four characters: one of them is not of the alphabet.",
    ),
    "not-base64url": ("?!", "A text that is not base64url at all."),
    "flags-later": (
        fragment_of(DOWNLOAD, 0xFE, SECRET)[:45],
        "Too short and with unknown flags: the length is judged before the flags.",
    ),
}

NEWER = {
    "kind-zero": (fragment_of(0x00, 0, SECRET), "Kind 0x00 is unknown."),
    "kind-next": (NEWER_KIND, "Kind 0x12 is unknown."),
    "kind-last": (fragment_of(0xFF, 0, SECRET), "Kind 0xff is unknown."),
    "kind-short": (
        NEWER_KIND[:20],
        "An unknown kind is judged before the length: another kind may be shorter.",
    ),
    "kind-shortest": (NEWER_KIND[:4], "Four characters are enough to tell an unknown kind."),
    "kind-alphabet": (NEWER_KIND[:20] + "~", "An unknown kind is judged before the rest of the text."),
    "kind-long": (
        NEWER_KIND + WHOLE,
        "An unknown kind is judged before the length: another kind may be longer.",
    ),
    "kind-flags": (fragment_of(0x31, 0xFF, SECRET), "An unknown kind with unknown flags."),
    "flag-bit-1": (fragment_of(DOWNLOAD, 0x02, SECRET), "Flag bit 1 is unknown."),
    "flag-bit-7": (fragment_of(DOWNLOAD, 0x80, SECRET), "Flag bit 7 is unknown."),
    "flag-bits-0-and-1": (
        fragment_of(DOWNLOAD, 0x03, SECRET),
        "A known flag does not excuse an unknown one.",
    ),
    "manage-password": (
        fragment_of(MANAGE, PASSWORD_FLAG, SECRET),
        "The password flag belongs to download links only.",
    ),
    "manage-flag-bit-1": (fragment_of(MANAGE, 0x02, SECRET), "Flag bit 1 is unknown on manage links too."),
}

BASES = {
    "host": "https://consigne.example",
    "port": "http://127.0.0.1:8080",
    "prefix": "https://example.org/files",
    "deep-prefix": "https://example.org/a/d",
    "onion": "http://consigneconsigneconsigneconsigneconsigneconsigneconsig.onion",
    "ipv6": "http://[::1]:8080",
    "upper-case": "HTTPS://Consigne.Example",
    "largest-port": "https://consigne.example:65535",
    "signs": "https://consigne.example/-._~!$&'()*+,;=:@%20",
    "longest": f"https://consigne.example/{'a' * 4069}",
}


def links() -> Iterator[tuple[str, Vector]]:
    """Give fragments and whole links, good and bad."""
    for name, (kind, flags, about) in FRAGMENTS.items():
        text = fragment_of(kind, flags, SECRET)
        yield name, _link_vector("success", about, {"fragment": text}, _parts_of(kind, flags))
    for name, (text, about) in INCOMPLETE.items():
        yield f"incomplete-{name}", _link_vector("link-incomplete", about, {"fragment": text})
    for name, (text, about) in NEWER.items():
        yield f"newer-{name}", _link_vector("link-newer", about, {"fragment": text})
    yield from _urls()


def _urls() -> Iterator[tuple[str, Vector]]:
    for name, base in BASES.items():
        for kind, letter in ((DOWNLOAD, "d"), (MANAGE, "m")):
            given = {"url": f"{base}/{letter}#{fragment_of(kind, 0, SECRET)}"}
            gives = {"base": base, **_parts_of(kind, 0)}
            about = (
                f"A whole link: the page is /{letter}, and what comes before it is the host's base address."
            )
            yield f"url-{name}-{letter}", _link_vector("success", about, given, gives)
    for name, url, about in _BROKEN_URLS:
        yield f"url-incomplete-{name}", _link_vector("link-incomplete", about, {"url": url})
    wanted = {"url": f"https://consigne.example/m#{_MANAGE}", "wanted": "download"}
    yield (
        "wrong-kind-manage",
        _link_vector("link-wrong-kind", "A manage link where a download link is wanted.", wanted),
    )
    wanted = {"url": f"https://consigne.example/d#{WHOLE}", "wanted": "manage"}
    yield (
        "wrong-kind-download",
        _link_vector("link-wrong-kind", "A download link gives no right to manage.", wanted),
    )
    newer = f"https://consigne.example/x#{NEWER_KIND}"
    about = "A newer kind of link may have another page: the kind is judged before the page."
    yield "url-newer-page", _link_vector("link-newer", about, {"url": newer})
    newer = f"https://consigne.example/d#{NEWER_KIND}#{WHOLE}"
    about = "The fragment begins after the first #, and a newer kind may be longer and of another alphabet."
    yield "url-newer-two-fragments", _link_vector("link-newer", about, {"url": newer})


_MANAGE = fragment_of(MANAGE, 0, SECRET)
_BROKEN_URLS = [
    ("no-fragment", "https://consigne.example/d", "A link that lost its fragment."),
    ("empty-fragment", "https://consigne.example/d#", "A link whose fragment is empty."),
    ("manage-on-d", f"https://consigne.example/d#{_MANAGE}", "Page and kind must agree."),
    ("download-on-m", f"https://consigne.example/m#{WHOLE}", "Page and kind must agree."),
    ("other-page", f"https://consigne.example/x#{WHOLE}", "Only /d and /m are pages of links."),
    ("no-page", f"https://consigne.example/#{WHOLE}", "A link without a page."),
    ("fragment-alone", f"#{WHOLE}", "A fragment without a host."),
    (
        "two-fragments",
        f"https://consigne.example/d#{WHOLE}#{WHOLE}",
        "The fragment begins after the first #.",
    ),
    ("query", f"https://consigne.example/d?x=1#{WHOLE}", "A query in the address."),
    ("user", f"https://user:secret@consigne.example/d#{WHOLE}", "A user name in the address."),
    ("user-empty", f"https://:secret@consigne.example/d#{WHOLE}", "A password without a user name."),
    ("scheme", f"ftp://consigne.example/d#{WHOLE}", "Not a web address."),
    ("host-like-page", f"https://d#{WHOLE}", "A host that is called d, and no page."),
    ("no-host", f"https:///d#{WHOLE}", "No host."),
    ("slash-before-page", f"https://consigne.example//d#{WHOLE}", "The base ends with a slash."),
    ("query-in-prefix", f"https://consigne.example?/d#{WHOLE}", "What looks like the page is a query."),
    ("backslash", f"https://consigne.example\\.example.org/d#{WHOLE}", "Some readers take \\ for a slash."),
    ("control", f"https://consigne.example\x7f/d#{WHOLE}", "A control character in the host."),
    ("control-in-prefix", f"https://consigne.example/a\x7f/d#{WHOLE}", "A control character in the prefix."),
    ("percent-in-host", f"https://consigne%2eexample/d#{WHOLE}", "A host is written plainly."),
    ("zone", f"http://[fe80::1%25eth0]/d#{WHOLE}", "An IPv6 address has no zone here."),
    ("bracket", f"http://[::1/d#{WHOLE}", "A bracket that is not closed."),
    ("port-empty", f"https://consigne.example:/d#{WHOLE}", "A colon without a port."),
    ("port-letters", f"https://consigne.example:https/d#{WHOLE}", "A port is a number."),
    ("port-plus", f"https://consigne.example:+443/d#{WHOLE}", "A port is digits only."),
    ("port-large", f"https://consigne.example:65536/d#{WHOLE}", "No port is above 65535."),
    ("host-not-ascii", f"https://\u24b8onsigne.example/d#{WHOLE}", "Letters outside of ASCII."),
    ("space", f"https://consigne.example/a b/d#{WHOLE}", "A space in the prefix."),
    (
        "too-long",
        f"https://consigne.example/{'a' * 4070}/d#{WHOLE}",
        "4,097 characters before the #.",
    ),
]


def _parts_of(kind: int, flags: int) -> dict[str, object]:
    name = "download" if kind == DOWNLOAD else "manage"
    return {"link": name, "password": bool(flags & PASSWORD_FLAG), "secret": SECRET.hex()}


def _link_vector(
    expect: str, about: str, given: dict[str, str], gives: dict[str, object] | None = None
) -> Vector:
    vector: Vector = {"expect": expect, "about": about, "kind": "link", "given": given}
    if gives is not None:
        vector["gives"] = gives
    return vector
