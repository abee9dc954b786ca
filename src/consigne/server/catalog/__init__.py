"""The catalog: all SQL of the host, in one place, and its errors.

`catalog.Catalog` runs functions of a `Transaction`, the writing ones in groups of
one commit. `objects`, `links`, `tickets`, `gone` and `identity` hold the statements: plain SQL
with named parameters that SQLite and PostgreSQL both take. They know no rule; the
service puts them together and lets the policy judge.
"""

from __future__ import annotations


class CatalogError(Exception):
    """The catalog could not do what was asked; nothing of it was kept. The text names no id."""


class CatalogBusy(CatalogError):  # noqa: N818  reads as what happened, as in `stores`
    """Others hold the catalog for too long, or too many operations wait."""


class CatalogFull(CatalogError):  # noqa: N818  the same
    """The disk beneath the catalog has no room left."""


class CatalogFailed(CatalogError):  # noqa: N818  the same
    """The database or the disk beneath it answered with an error."""
