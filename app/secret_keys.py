"""The keys that seal secrets at rest: the operator's, or one made for this data directory."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from app.settings import Settings

__all__ = ["secret_keys"]

_FILE = "secret.key"


def secret_keys(settings: Settings) -> Sequence[str]:
    if settings.secret_keys:
        return [key.get_secret_value() for key in settings.secret_keys]
    return [_kept_in(settings.data_dir.expanduser().resolve())]


def _kept_in(folder: Path) -> str:
    path = folder / _FILE
    if not path.exists():
        _make(path)
    return path.read_text("ascii").strip()


def _make(path: Path) -> None:
    """Whole or not at all, and by one process: of several that race, one links its file into place."""
    from cryptography.fernet import Fernet

    path.parent.mkdir(parents=True, exist_ok=True)
    # Made with mode 0600.
    handle, draft = tempfile.mkstemp(prefix=f".{_FILE}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)
