"""Where a server listens, and in which folder its socket can be."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from app.postgres.failures import PostgresFailed

ROLE = "palaver"
# Linux keeps 108 bytes for a socket's path, macOS 104; Postgres adds its own name to the folder's.
_LONGEST_FOLDER = 103 - len("/.s.PGSQL.5432.lock")


@dataclass(frozen=True)
class Address:
    """Where a server listens: `host` is the folder of its Unix socket, as libpq, asyncpg and Tortoise understand it."""

    host: str
    port: int = 5432
    user: str = ROLE

    def dsn(self, database: str = ROLE) -> str:
        """Understood alike by asyncpg, by Tortoise and by psql."""
        # The port is said although it is the usual one: asyncpg would listen to PGPORT otherwise.
        return f"postgresql://{self.user}@/{quote(database)}?host={quote(self.host, safe='')}&port={self.port}"


def socket_folder(directory: Path) -> str:
    if _fits_a_socket(directory):
        return str(directory)
    name = f"palaver-{hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]}"
    places = (Path(place) for place in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp") if place)
    folder = next((place / name for place in places if place.is_dir() and _fits_a_socket(place / name)), None)
    if folder is None:
        raise PostgresFailed(
            f"There is no folder for a socket. Set TMPDIR to one with a short path, unlike {directory}."
        )
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PostgresFailed(f"{folder} must belong to the user who runs this, and be closed to others. Remove it.")
    return str(folder)


def _fits_a_socket(folder: Path) -> bool:
    # Postgres reads a list separated by commas there, and asyncpg too.
    return len(os.fsencode(folder)) <= _LONGEST_FOLDER and not set(str(folder)) & set(',"')
