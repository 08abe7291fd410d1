from pathlib import Path


class PostgresFailed(Exception):
    """The embedded Postgres does not do what it must; the sentence says what the operator can do."""


class DirectoryInUse(PostgresFailed):
    def __init__(self, directory: Path, owner: str) -> None:
        super().__init__(
            f"{directory} is in use by process {owner or '(unknown)'}. "
            "Stop that one, or give this one a data directory of its own."
        )
