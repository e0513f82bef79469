"""One inbound URL for every booking provider, one canonical event out."""

__version__ = "0.1.0"
