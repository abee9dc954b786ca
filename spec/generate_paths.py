"""Vectors of paths: which a share may hold, and which it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from generate_primitives import Vector

_LONG = "/".join(["a" * 255] * 15)  # 3,839 bytes

ACCEPTED: dict[str, tuple[list[str], str]] = {
    "plain": (["a", "b.txt", "c/d/e"], "Names and folders."),
    "folder": (["a/", "b/c/"], "A final / marks a folder without files; it is not a component."),
    "folder-and-content": (["a/", "a/b"], "A folder entry does not stand in the way of files in it."),
    "component-255": (["a" * 255], "A component of 255 bytes."),
    "component-255-utf-8": (["\u00e9" * 127 + "a"], "A component of 255 bytes and 128 characters."),
    "component-255-folder": (["a" * 255 + "/"], "A folder's final / does not count for its component."),
    "path-4096": ([f"{_LONG}/{'b' * 254}/c"], "A path of 4,096 bytes."),
    "proto": (["__proto__", "constructor/prototype", "toString"], "Names of JavaScript's objects are names."),
    "normalisation-twins": (["\u00e9", "e\u0301"], "NFC and NFD twins are two paths: both are kept."),
    "case-twins": (["README", "readme", "Readme/x"], "Case twins are different paths: all are kept."),
    "windows-device": (
        ["CON", "nul.txt", "com1/a"],
        "Reserved names of one system are that system's affair.",
    ),
    "windows-drive": (["C:x", "D:", "E:/x"], "A drive letter is a name like any other."),
    "windows-characters": (['a<b>c:d"e|f?g*h', "stream.txt:hidden"], "Characters that one system refuses."),
    "windows-trailing": (["a.", "b ", "c. ./d"], "Trailing dots and spaces."),
    "dots": (["...", "..a", ".hidden", "a..", ".a/.b"], "Only . and .. themselves are refused."),
    "spaces": ([" ", "a b", "  /a"], "Spaces are characters."),
    "tilde-and-shell": (["~", "-rf", "$HOME", "`id`", "a;b", "%2e%2e"], "Nothing is expanded or decoded."),
    "html": (["<img src=x onerror=alert(1)>"], "A name that looks like HTML is a name."),
    "emoji": (["\U0001f9f3.txt", "\U0001f468\u200d\U0001f469\u200d\U0001f467"], "Emoji and joiners."),
    "right-to-left": (
        ["\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627.txt"],
        "Right-to-left letters.",
    ),
    "marks": (["a\u200eb\u200fc", "d\u061ce"], "Marks of direction, unlike overrides, are not refused."),
    "neighbours": (["\u2029\u202f", "\u2065\u206a", "\u00a0", " ~"], "The neighbours of refused ranges."),
    "prefix-twins": (["a", "ab", "a.b/c", "a b"], "A file whose name only begins like a folder's."),
    "same-name-elsewhere": (["a/b", "b/a", "c/a/b"], "The same names in other places."),
    "byte-order-mark": (["\ufeffa"], "U+FEFF is a character."),
    "noncharacter": (["\uffff"], "Noncharacters are characters."),
}

_CONTROLS = {
    "nul": "\x00",
    "line-feed": "\n",
    "escape": "\x1b",
    "unit-separator": "\x1f",
    "delete": "\x7f",
    "c1-first": "\x80",
    "c1-last": "\x9f",
    "override-202a": "\u202a",
    "override-202e": "\u202e",
    "isolate-2066": "\u2066",
    "isolate-2069": "\u2069",
}

REFUSED: dict[str, tuple[list[str], str]] = {
    "empty": ([""], "An empty path."),
    "absolute": (["/etc/x"], "An absolute path."),
    "root": (["/"], "The root."),
    "two-slashes": (["//host/share"], "Two slashes at the start."),
    "empty-component": (["a//b"], "An empty component."),
    "empty-component-end": (["a//"], "A folder's final / and another one."),
    "dot": (["."], "The folder itself."),
    "dot-component": (["a/./b"], "A component `.`."),
    "dot-folder": (["./"], "A component `.` with a final /."),
    "parent": ([".."], "The parent."),
    "parent-start": (["../../x"], "A path that climbs out."),
    "parent-middle": (["a/../b"], "A component `..`, even where the path stays inside."),
    "parent-end": (["a/.."], "A component `..` at the end."),
    "parent-folder": (["a/../"], "A component `..` with a final /."),
    "backslash": (["a\\b"], "A backslash."),
    "backslash-drive": (["C:\\x"], "A path of Windows."),
    "backslash-parent": (["..\\x"], "A path of Windows that climbs out."),
    "component-256": (["a" * 256], "A component of 256 bytes."),
    "component-256-utf-8": (["\u00e9" * 128], "A component of 256 bytes and 128 characters."),
    "component-256-later": (["a/" + "b" * 256 + "/c"], "A component of 256 bytes in the middle."),
    "path-4097": ([f"{_LONG}/{'b' * 255}/c"], "A path of 4,097 bytes."),
    "path-4097-folder": ([f"{_LONG}/{'b' * 254}/c/"], "A folder's final / counts for the whole path."),
    "path-5000": (["a/" * 2500 + "b"], "A path of 5,001 bytes."),
    "one-of-three": (["a", "../b", "c"], "One refused path is enough."),
    "two-of-three": (["/a", "b", "c\\d"], "Two refused paths: a writer lists both."),
}

CONFLICTS: dict[str, tuple[list[str], str]] = {
    "equal": (["a", "a"], "Two equal paths."),
    "equal-apart": (["x/a", "b", "c", "x/a"], "Two equal paths that do not follow one another."),
    "equal-folders": (["a/", "a/"], "Two equal folders."),
    "file-is-folder": (["a", "a/b"], "A file that is another path's folder."),
    "file-is-folder-later": (["a/b", "c", "a"], "The same, in another order."),
    "file-is-folder-deep": (["a/b/c/d", "a/b"], "A file that is a folder further up."),
    "file-is-empty-folder": (["a", "a/"], "A file and a folder without files of the same name."),
    "file-is-folder-hidden": (
        ["a", "a!", "a b", "a/b"],
        "Names that sort between a file and what is in its folder.",
    ),
}


def paths() -> Iterator[tuple[str, Vector]]:
    """Give lists of paths: good ones, refused ones, and those in each other's way."""
    for name, (listed, about) in ACCEPTED.items():
        yield name, _vector("success", about, listed)
    for name, (listed, about) in REFUSED.items():
        yield f"refused-{name}", _vector("manifest-invalid", about, listed, refused=_bad(listed))
    for name, character in _CONTROLS.items():
        listed = [f"a{character}b"]
        about = f"U+{ord(character):04X} is refused."
        yield f"refused-{name}", _vector("manifest-invalid", about, listed, refused=listed)
    about = "A lone surrogate: what a system's name that is not UTF-8 becomes in some languages."
    yield "refused-surrogate", _vector("manifest-invalid", about, ["a\udcffb"], refused=["a\udcffb"])
    for name, (listed, about) in CONFLICTS.items():
        yield f"conflict-{name}", _vector("manifest-invalid", about, listed, refused=[])


def _bad(listed: list[str]) -> list[str]:
    good = {"a", "b", "c"}
    return [path for path in listed if path not in good]


def _vector(expect: str, about: str, listed: list[str], **more: list[str]) -> Vector:
    return {"expect": expect, "about": about, "kind": "path", "given": {"paths": listed}, **more}
