"""Format 1, sans-I/O: bytes in, bytes out (spec/format.md, spec/links.md).

    secret ← {keys, link}
    labels ← keys ← capsule ← manifest ← {strict_json, paths}
    padding ← content

Nothing here opens a file, a socket or a clock; the only thing taken from outside
is randomness, and only where a caller did not pass it.
"""
