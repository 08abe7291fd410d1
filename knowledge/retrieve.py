"""Finding chunks: by meaning and by words, joined by how well they fit, in one statement.

Who may see what, and every other condition, stands inside both halves: what is found need not be sieved afterwards.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import asyncpg

from knowledge import vector_index
from models.database import connection

__all__ = ["CHUNK_METADATA_SQL", "Query", "Space", "exactly", "find", "statement"]

# What a chunk adds to the metadata of its document, of rows called n (the content) and c.
CHUNK_METADATA_SQL = """jsonb_build_object('chunk_index', c.position, 'total_chunks', n.chunk_count,
    'chunk_size', length(c.text), 'start_line', c.start_line, 'end_line', c.end_line)"""

# How much of the relevance of a chunk is its meaning. Little, since the embedder that is always here knows little: see
# docs/decisions/0008-relevance.md for the figures.
_MEANING = 0.3
# How many chunks with words of the question are weighed; words that lead to more only weigh, and lead nowhere.
_WORD_CANDIDATES = 2_000
# How many places of an index are looked at for one answer. The larger it is, the more it takes for the same recall: of
# 100,000 vectors 100 places find all of the ten nearest, of a million 100 find 87 % of them and 400 96 %.
_PLACES_SQL = """(
    SELECT least(100 * power(greatest(max(reltuples), 1e5) / 1e5, 0.6), 1000)::int::text FROM pg_class
    WHERE oid = ANY(ARRAY[{indexes}]::regclass[])
)"""


@dataclass(frozen=True, slots=True)
class Space:
    """The collections of one embedder, and the terms as it puts them."""

    embedder_id: UUID
    dimension: int
    collection_ids: tuple[UUID, ...]
    terms: tuple[str, ...]
    # Whether they are so large that their index is asked, instead of comparing every chunk.
    is_large: bool


@dataclass(frozen=True, slots=True)
class Query:
    """JSON is text here already."""

    workspace_id: UUID
    terms: tuple[str, ...]
    spaces: tuple[Space, ...]
    limit: int
    # One chunk of each content, the best, instead of all that fit.
    is_distinct: bool = False
    min_score: float = 0.0
    by_meaning: bool = True
    by_words: bool = True
    tags: str | None = None
    metadata: str | None = None
    category: str | None = None
    reference: str | None = None
    document_ids: tuple[UUID, ...] | None = None


# From what stands for a content and a chunk to the conditions on a document d.
_Sieve = Callable[[str, str], str]


async def find(query: Query) -> list[asyncpg.Record]:
    """Chunks with their document, score and relevance, the most relevant first."""
    sql, arguments = statement(query)
    async with connection() as bare:
        return list(await bare.fetch(sql, *arguments))


def exactly(query: Query) -> Query:
    """The same question with every vector compared."""
    return replace(query, spaces=tuple(replace(space, is_large=False) for space in query.spaces))


def statement(query: Query) -> tuple[str, list[object]]:
    arguments = _Arguments()
    sieve = _sieve(query, arguments)
    terms = arguments.add(list(query.terms), "text[]")
    spaces = [_asked(place, space, arguments) for place, space in enumerate(query.spaces)]
    candidates = arguments.add(max(50, 4 * query.limit) * (4 if query.is_distinct else 1), "int")
    floor, limit = arguments.add(query.min_score, "float8"), arguments.add(query.limit, "int")
    meaning = _MEANING if query.by_meaning and query.by_words else float(query.by_meaning)
    halves = []
    if query.by_meaning:
        halves += [_by_meaning(space, sieve, candidates) for space in spaces]
    words = ""
    if query.by_words:
        words = _words(arguments.add([id for space in query.spaces for id in space.collection_ids], "uuid[]"), sieve)
        halves.append(_by_words(candidates))
    sql = f"""
    WITH terms AS MATERIALIZED (
        SELECT place, term, {", ".join(f"{space.name}::vector({space.dimension})" for space in spaces)},
               set_config('hnsw.ef_search', {_places(spaces)}, true),
               set_config('hnsw.iterative_scan', 'relaxed_order', true)
        FROM unnest({", ".join([terms, *(space.vectors for space in spaces)])})
             WITH ORDINALITY AS t ({", ".join(["term", *(space.name for space in spaces)])}, place)
    ), {words} found AS (
        {" UNION ALL ".join(f"({half})" for half in halves)}
    ), candidates AS (
        -- A chunk counts by the term that it fits best.
        SELECT id, coalesce(max(fit), 0) AS fit FROM found GROUP BY id
    ), measured AS MATERIALIZED (
        SELECT f.id, v.content_id, f.fit, (SELECT max({_score(spaces)}) FROM terms) AS score
        FROM candidates f JOIN chunk_vectors v ON v.chunk_id = f.id AND ({" OR ".join(space.own for space in spaces)})
    ), scored AS (
        SELECT id, content_id, score,
               {meaning} * coalesce(score / nullif(max(score) OVER (), 0), 0) + {1 - meaning} * fit AS relevance
        FROM measured
    ), best AS (
        SELECT * FROM {_DISTINCT_SQL if query.is_distinct else "scored"} AS s
        WHERE score >= {floor} ORDER BY relevance DESC, score DESC, id LIMIT {limit}
    )
    SELECT s.relevance, s.score, c.id, c.text, c.position, c.start_line, c.end_line, c.created_at,
           d.metadata || {CHUNK_METADATA_SQL} AS all_metadata, row_to_json(d)::text AS document, r.external_id,
           r.category_id
    FROM best s JOIN chunks c ON c.id = s.id JOIN contents n ON n.id = c.content_id
    -- Of documents that say the same, one stands for all of them.
    CROSS JOIN LATERAL (
        SELECT d.* FROM knowledge_documents d WHERE {sieve("c.content_id", "c.id")} ORDER BY d.id LIMIT 1
    ) AS d
    LEFT JOIN sync_records r ON r.document_id = d.id
    ORDER BY s.relevance DESC, s.score DESC, c.id
    """
    return sql, arguments.values


_DISTINCT_SQL = "(SELECT DISTINCT ON (content_id) * FROM scored ORDER BY content_id, relevance DESC, score DESC, id)"


class _Arguments:
    """Values of a statement, in the order in which they are first spoken of."""

    def __init__(self) -> None:
        self.values: list[object] = []

    def add(self, value: object, type_: str) -> str:
        self.values.append(value)
        return f"${len(self.values)}::{type_}"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A space as the statement speaks of it. Embedder and dimension are written out: they are what an index is of."""

    name: str
    vectors: str
    # The condition on a vector v. A collection that changes its embedder has others for a while.
    own: str
    embedder_id: UUID
    dimension: int
    is_large: bool


def _asked(place: int, space: Space, arguments: _Arguments) -> _Asked:
    vectors = arguments.add(list(space.terms), "text[]")
    collections = arguments.add(list(space.collection_ids), "uuid[]")
    own = f"v.embedder_id = '{space.embedder_id}' AND v.collection_id = ANY({collections})"
    return _Asked(f"v{place}", vectors, own, space.embedder_id, space.dimension, space.is_large)


def _sieve(query: Query, arguments: _Arguments) -> _Sieve:
    """Conditions on a document of some content. That the content is in the collections is known already: saying it
    again would tempt the planner to read them whole for each chunk."""
    conditions = [
        f"d.workspace_id = {arguments.add(query.workspace_id, 'uuid')}",
        "d.state = 'INDEXED'",
        # Spelled so that no index with this condition looks as if it helped.
        "coalesce(d.deleted_at, 'infinity') = 'infinity'",
    ]
    if query.tags is not None:
        conditions.append(f"d.tags @> {arguments.add(query.tags, 'jsonb')}")
    if query.category is not None:
        conditions.append(f"d.category = {arguments.add(query.category, 'text')}")
    if query.reference is not None:
        conditions.append(f"d.reference = {arguments.add(query.reference, 'text')}")
    if query.document_ids is not None:
        conditions.append(f"d.id = ANY({arguments.add(list(query.document_ids), 'uuid[]')})")
    metadata = None if query.metadata is None else arguments.add(query.metadata, "jsonb")

    def written(content_id: str, chunk_id: str) -> str:
        written = [f"d.content_id = {content_id}", *conditions]
        if metadata is not None:
            written.append(
                f"EXISTS (SELECT FROM chunks c JOIN contents n ON n.id = c.content_id WHERE c.id = {chunk_id}"
                f" AND (d.metadata || {CHUNK_METADATA_SQL}) @> {metadata})"
            )
        return " AND ".join(written)

    return written


def _places(spaces: Sequence[_Asked]) -> str:
    indexes = (f"to_regclass('{vector_index.name(space.embedder_id)}')" for space in spaces if space.is_large)
    return _PLACES_SQL.format(indexes=", ".join(indexes))


def _by_meaning(space: _Asked, sieve: _Sieve, candidates: str) -> str:
    """The nearest chunks of each term. The index of a large space goes on until enough of what it meets passes."""
    distance = f"v.embedding <=> t.{space.name}"
    if space.is_large:
        size = space.dimension
        distance = f"(v.embedding::halfvec({size})) <=> t.{space.name}::halfvec({size})"
    return f"""
        SELECT v.chunk_id AS id, NULL::float8 AS fit
        FROM terms t CROSS JOIN LATERAL (
            SELECT v.chunk_id, {distance} AS distance FROM chunk_vectors v
            WHERE {space.own} AND {_passes(sieve("v.content_id", "v.chunk_id"))}
            ORDER BY {distance} LIMIT {candidates}
        ) AS v
    """


def _passes(conditions: str) -> str:
    """A value and not a join: whatever the planner believes of tables that have just been filled, one document is
    looked up for each chunk, and the order of an index is kept."""
    return f"(SELECT true FROM knowledge_documents d WHERE {conditions} LIMIT 1)"


def _words(collections: str, sieve: _Sieve) -> str:
    """What is looked for by words: those that are rare, as Postgres knows from its statistics, in the collections.

    A word that it has not counted is rare. The collections are words themselves, so that the index leaves others out.
    """
    return f"""statistics AS MATERIALIZED (
        SELECT e.word, e.share
        FROM pg_stats s
        CROSS JOIN LATERAL ROWS FROM (
            unnest(s.most_common_elems::text::text[]), unnest(s.most_common_elem_freqs)
        ) AS e (word, share)
        WHERE s.schemaname = current_schema() AND s.tablename = 'chunks' AND s.attname = 'search' AND e.word IS NOT NULL
    ), extent AS MATERIALIZED (
        -- How many chunks the collections have, about, and how large a share a word has at most that is not counted.
        SELECT greatest(reltuples, 0) * coalesce(least(sum(coalesce(s.share, rare.share)), 1), 1) AS chunks,
               coalesce(max(rare.share), 0) AS share
        FROM unnest({collections}) AS id
        CROSS JOIN (SELECT min(share) / 2 AS share FROM statistics) AS rare
        CROSS JOIN (SELECT reltuples FROM pg_class WHERE oid = 'chunks'::regclass) AS whole
        LEFT JOIN statistics s ON s.word = '#' || id GROUP BY reltuples
    ), words AS MATERIALIZED (
        SELECT place, word, quote_literal(word)::tsquery AS query,
               chunks <= {2 * _WORD_CANDIDATES}
                   OR sum(share * chunks) OVER (PARTITION BY place ORDER BY share, word) <= {_WORD_CANDIDATES} AS leads,
               row_number() OVER (PARTITION BY place ORDER BY share, word) AS rarity
        FROM (
            SELECT t.place, w.word, coalesce(s.share, extent.share) AS share, extent.chunks
            FROM terms t CROSS JOIN LATERAL unnest(tsvector_to_array(knowledge_words(t.term))) AS w (word)
            CROSS JOIN extent LEFT JOIN statistics s ON s.word = w.word
        ) AS counted
    ), questions AS MATERIALIZED (
        -- Any of the rare words, or, where there are none, the three least common ones together.
        SELECT place, coalesce(string_agg(quote_literal(word), ' | ') FILTER (WHERE leads),
                               string_agg(quote_literal(word), ' & ') FILTER (WHERE rarity <= 3))::tsquery
                      && (SELECT string_agg(quote_literal('#' || id), ' | ')::tsquery FROM unnest({collections}) AS id)
                      AS question
        FROM words GROUP BY place
    ), worded AS MATERIALIZED (
        SELECT q.place, c.id, c.search FROM questions q CROSS JOIN LATERAL (
            SELECT c.id, c.search FROM chunks c
            WHERE c.search @@ q.question AND {_passes(sieve("c.content_id", "c.id"))}
            LIMIT {4 * _WORD_CANDIDATES}
        ) AS c
    ), matches AS MATERIALIZED (
        SELECT c.place, c.id, w.word, sqrt(ts_rank(c.search, w.query)) AS weight
        FROM worded c JOIN words w ON w.place = c.place AND c.search @@ w.query
    ),"""


def _by_words(candidates: str) -> str:
    """Rare words weigh more than common ones, and a word that comes again weighs a little more each time.

    The chunk that fits a term best has a fit of 1.
    """
    return f"""
        SELECT id, weight / nullif(max(weight) OVER (PARTITION BY place), 0) AS fit FROM (
            SELECT m.place, m.id, sum(m.weight * ln(1 + a.chunks / r.chunks)) AS weight,
                   row_number() OVER (
                       PARTITION BY m.place ORDER BY sum(m.weight * ln(1 + a.chunks / r.chunks)) DESC, m.id) AS rank
            FROM matches m
            JOIN (SELECT place, word, count(*) AS chunks FROM matches GROUP BY place, word) AS r USING (place, word)
            JOIN (SELECT place, count(DISTINCT id)::float8 AS chunks FROM matches GROUP BY place) AS a USING (place)
            GROUP BY m.place, m.id
        ) AS ranked WHERE rank <= {candidates}
    """


def _score(spaces: Sequence[_Asked]) -> str:
    """The cosine, between 0 and 1. What has no direction is like nothing: its distance is no number."""
    distances = [f"WHEN v.embedder_id = '{space.embedder_id}' THEN v.embedding <=> {space.name}" for space in spaces]
    distance = f"(CASE {' '.join(distances)} END)"
    return f"CASE WHEN {distance} = 'NaN' THEN 0 ELSE least(greatest(1 - {distance}, 0), 1) END"
