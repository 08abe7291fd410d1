"""One file per wire."""
