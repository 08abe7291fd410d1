"""Documents that are known before they are asked for: written down by their authors, or sent once before."""

import json
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any  # Manifests and extensions are open JSON until they are read.

from graphql import GraphQLError

from execution.operations import Refused, Stage

__all__ = ["hash_of", "read_manifest", "refused", "wanted_hash"]


def hash_of(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


def wanted_hash(extensions: Mapping[str, Any]) -> str | None:
    """The hash a request names in Apollo's extension, in place of its document or beside it."""
    extension = extensions.get("persistedQuery")
    if extension is None:
        return None
    digest = extension.get("sha256Hash") if isinstance(extension, dict) else None
    if not isinstance(digest, str) or extension.get("version", 1) != 1:
        problem = "extensions.persistedQuery must have version 1 and a sha256Hash."
        raise Refused(Stage.REQUEST, [GraphQLError(problem, extensions={"code": "invalid"})])
    return digest.lower()


def refused(what: str) -> Refused:
    """Said in the words that Apollo's clients wait for, so that they send the text and try again."""
    code = re.sub(r"(?<!^)(?=[A-Z])", "_", what).upper()
    return Refused(Stage.PERSISTED, [GraphQLError(what, extensions={"code": code})])


def read_manifest(path: Path) -> dict[str, str]:
    """Texts by their ids: from Apollo's or Relay's manifest, or from a folder of `.graphql` files, by their hash."""
    if path.is_dir():
        texts = (file.read_text("utf-8") for file in sorted(path.rglob("*.graphql")))
        return {hash_of(text): text for text in texts}
    manifest = json.loads(path.read_text("utf-8"))
    documents = dict(_entries(manifest))
    if not documents or not all(isinstance(part, str) for entry in documents.items() for part in entry):
        raise ValueError(f"{path} is neither a manifest of Apollo or Relay nor a folder of .graphql files.")
    return documents


def _entries(manifest: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(manifest, dict) and manifest.get("format") == "apollo-persisted-query-manifest":
        manifest = manifest["operations"]
    if isinstance(manifest, dict):
        yield from manifest.items()
    elif isinstance(manifest, list):
        for entry in manifest:
            if isinstance(entry, dict):
                yield entry.get("id"), entry.get("body", entry.get("text"))
            elif isinstance(entry, list) and len(entry) == 2:
                yield entry[0], entry[1]
