"""The index's tables. Texts are compared by their bytes, as SQLite does it."""

PART, VERSION = "artifacts", 1
# `words` are made by us, see `proxy/artifacts/words.py`: so no language's parser takes them apart in its own way.
# Without `fastupdate = off`, a search would now and then read through all that was kept last.
SCHEMA = """
CREATE TABLE roundhouse_artifacts (
    number bigint PRIMARY KEY, id text COLLATE "C" NOT NULL UNIQUE, owner text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL, model text COLLATE "C", purpose text COLLATE "C", size bigint NOT NULL,
    sha256 text COLLATE "C" NOT NULL, expires double precision, sidecar text NOT NULL, words tsvector NOT NULL
);
CREATE INDEX roundhouse_by_owner ON roundhouse_artifacts (owner, number);
CREATE INDEX roundhouse_by_kind ON roundhouse_artifacts (owner, kind, number);
CREATE INDEX roundhouse_by_model ON roundhouse_artifacts (owner, model, number);
CREATE INDEX roundhouse_by_purpose ON roundhouse_artifacts (owner, purpose, number) WHERE purpose IS NOT NULL;
CREATE INDEX roundhouse_uploaded ON roundhouse_artifacts (owner, number) WHERE purpose IS NOT NULL;
CREATE INDEX roundhouse_made ON roundhouse_artifacts (owner, number) WHERE purpose IS NULL;
CREATE INDEX roundhouse_by_content ON roundhouse_artifacts (sha256);
CREATE INDEX roundhouse_by_end ON roundhouse_artifacts (expires) WHERE expires IS NOT NULL;
CREATE INDEX roundhouse_by_word ON roundhouse_artifacts USING gin (words) WITH (fastupdate = off);
CREATE TABLE roundhouse_owners (owner text COLLATE "C" PRIMARY KEY, bytes bigint NOT NULL, count bigint NOT NULL);
CREATE TABLE roundhouse_links (parent text COLLATE "C", child text COLLATE "C", PRIMARY KEY (parent, child));
CREATE TABLE roundhouse_gone (
    id text COLLATE "C" PRIMARY KEY, owner text COLLATE "C" NOT NULL, number bigint NOT NULL,
    at double precision NOT NULL
);
"""
