"""Many documents at once: JSON lines in and out, and the files of a folder of the server."""

import asyncio
import fnmatch
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

import models
from domain.indexing import SWEEP, announce, lock
from domain.jobs import enqueue
from domain.storing import NewDocument, Outcome, store
from errors import Invalid, NotFound
from files import Blob
from knowledge import read
from models.database import connection, transaction

__all__ = ["Folder", "Imported", "export", "files_of", "import_records"]

_DOCUMENTS_AT_ONCE = 1_000
_ROWS_AT_ONCE = 200
_NAMED_BAD_LINES = 5

_EXTENSIONS = (".py", ".js", ".ts", ".tsx", ".md", ".yaml", ".yml", ".json", ".toml")
_EXCLUDED = (
    ".git", ".hg", ".svn", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".cache", ".venv", "venv",
    "env", "node_modules", ".env", ".env.*", "dist", "build", "*.pyc", "*.min.js", "*.min.css", "*.lock",
    "package-lock.json", "pnpm-lock.yaml", "htmlcov", ".coverage", "coverage", "*.egg-info",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Imported:
    enqueued: int
    skipped: int
    deleted: int


async def import_records(collection: models.Collection, path: Path, *, delete_others: bool = False) -> Imported:
    """Nothing is stored when a line is wrong. Killed half-way, it has stored what it had read, each document whole."""
    await _check_lines(path)
    enqueued = skipped = 0
    names: set[str] = set()
    async for batch in read.records(path):
        records = [record for record in batch if isinstance(record, read.Record)]
        for start in range(0, len(records), _DOCUMENTS_AT_ONCE):
            documents = [_document(record) for record in records[start : start + _DOCUMENTS_AT_ONCE]]
            stored = await store(collection, documents)
            new = sum(1 for each in stored if each.outcome is not Outcome.UNCHANGED)
            enqueued, skipped = enqueued + new, skipped + len(stored) - new
            if delete_others:
                names.update(document.name for document in documents)
    deleted = await _delete_others(collection, names) if delete_others else 0
    return Imported(enqueued, skipped, deleted)


async def _check_lines(path: Path) -> None:
    problems: list[str] = []
    async for batch in read.records(path):
        for line in batch:
            if isinstance(line, read.BadLine):
                problems.append(f"line {line.line} {line.problem}")
            elif line.name is None or not line.name.strip():
                problems.append(f"line {line.line} has no docid")
            elif not line.text.strip():
                problems.append(f"line {line.line} has no text")
        if len(problems) >= _NAMED_BAD_LINES:
            break
    if problems:
        raise Invalid("documents", f"cannot be imported: {'; '.join(problems[:_NAMED_BAD_LINES])}")


def _document(record: read.Record) -> NewDocument:
    return NewDocument(
        name=record.name or "",
        text=record.text,
        reference=record.reference,
        tags=record.tags,
        metadata=record.metadata,
    )


async def _delete_others(collection: models.Collection, names: set[str]) -> int:
    async with transaction(), connection() as bare:
        await lock(bare, collection.id)
        done = await bare.execute(
            "UPDATE knowledge_documents SET deleted_at = now()"
            " WHERE collection_id = $1 AND deleted_at IS NULL AND NOT key = ANY($2::text[])",
            collection.id,
            list(names),
        )
        await enqueue(bare, SWEEP, [collection.id.bytes])
        await announce(bare, collection.id)
    return int(done.split()[-1])


def export(collection: models.Collection) -> Blob:
    return Blob(_lines(collection), "application/jsonl", filename=f"{collection.id}.jsonl")


async def _lines(collection: models.Collection) -> AsyncIterator[bytes]:
    """Some rows at a time, each lot from where the last ended: the collection may be larger than memory."""
    after = None
    while True:
        async with connection() as bare:
            rows = await bare.fetch(
                """
                SELECT d.id, d.name, n.text, d.reference, d.tags, d.metadata
                FROM knowledge_documents d JOIN contents n ON n.id = d.content_id
                WHERE d.collection_id = $1 AND d.deleted_at IS NULL AND ($2::uuid IS NULL OR d.id > $2)
                ORDER BY d.id LIMIT $3
                """,
                collection.id,
                after,
                _ROWS_AT_ONCE,
            )
        if not rows:
            return
        after = rows[-1]["id"]
        yield b"".join(
            orjson.dumps(
                {
                    "docid": row["name"],
                    "text": row["text"] or "",
                    "__ref": row["reference"],
                    "__tags": orjson.Fragment(row["tags"]),
                    "__meta": orjson.Fragment(row["metadata"]),
                },
                option=orjson.OPT_APPEND_NEWLINE,
            )
            for row in rows
        )


# ---------------------------------------------------------------- files of the server


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder, or a single file, which is then taken whatever it is called."""

    path: str
    extensions: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None


async def files_of(wanted: Folder, roots: Sequence[Path]) -> list[Path]:
    return await asyncio.to_thread(_files_of, wanted, roots)


def _files_of(wanted: Folder, roots: Sequence[Path]) -> list[Path]:
    # A relative path is one from a root: where the server was started is nobody's business.
    path = next((found for root in roots if (found := _allowed(root / wanted.path, roots))), None)
    if path is None:
        # The same answer for what is outside, whether it is there or not.
        raise NotFound("path", wanted.path)
    if path.is_file():
        return [path]
    extensions = tuple(each.lower() for each in (wanted.extensions or _EXTENSIONS))
    exclude = _EXCLUDED if wanted.exclude is None else wanted.exclude
    return sorted(
        file
        for file in _walk(path, exclude)
        if file.name.lower().endswith(extensions) and _allowed(file, roots) is not None
    )


def _allowed(path: Path, roots: Sequence[Path]) -> Path | None:
    """Where it really is, if it is there and below a root: links lead nowhere else."""
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # Not there, too long, a circle of links, or no path at all.
        return None
    return real if any(real.is_relative_to(root.resolve()) for root in roots) else None


def _walk(top: Path, exclude: Sequence[str]) -> Iterator[Path]:
    for folder, folders, names in os.walk(top, followlinks=False):
        here = Path(folder)
        folders[:] = [name for name in folders if not _is_excluded(here / name, top, exclude)]
        yield from (here / name for name in names if not _is_excluded(here / name, top, exclude))


def _is_excluded(path: Path, top: Path, exclude: Sequence[str]) -> bool:
    relative = path.relative_to(top).as_posix()
    return any(
        fnmatch.fnmatch(path.name, pattern) or fnmatch.fnmatch(relative, pattern) or fnmatch.fnmatch(str(path), pattern)
        for pattern in exclude
    )
