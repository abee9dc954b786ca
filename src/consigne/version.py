"""The version of this release: client and host are one."""

__version__ = "0.1.0"
