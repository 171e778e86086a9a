CREATE TABLE catalog (
    rowid        INTEGER PRIMARY KEY,
    key          TEXT NOT NULL UNIQUE,
    source       TEXT NOT NULL,
    path         TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    id           TEXT NOT NULL,
    name         TEXT NOT NULL,
    title        TEXT NOT NULL,
    severity     TEXT NOT NULL,
    category     TEXT NOT NULL,
    domain       TEXT NOT NULL,
    services     TEXT NOT NULL,
    tags         TEXT NOT NULL,
    triggers     TEXT NOT NULL,
    symptoms     TEXT NOT NULL
) STRICT;
CREATE INDEX catalog_by_source ON catalog (source);
CREATE TABLE catalog_texts (
    document    INTEGER PRIMARY KEY,
    description TEXT NOT NULL,
    body        TEXT NOT NULL
) STRICT;
CREATE TABLE catalog_names (
    name     TEXT NOT NULL,
    document INTEGER NOT NULL,
    PRIMARY KEY (name, document)
) STRICT, WITHOUT ROWID;
CREATE TABLE catalog_vectors (
    document INTEGER PRIMARY KEY,
    vector   BLOB NOT NULL
) STRICT;
CREATE TABLE catalog_entries (
    document INTEGER PRIMARY KEY,
    entries  BLOB NOT NULL
) STRICT;
CREATE TABLE catalog_health (
    document   INTEGER PRIMARY KEY,
    review_due TEXT NOT NULL,
    errors     INTEGER NOT NULL,
    warnings   INTEGER NOT NULL
) STRICT;
CREATE TABLE catalog_terms (
    term      TEXT PRIMARY KEY,
    documents INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE catalog_words (
    word      TEXT PRIMARY KEY,
    documents INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE catalog_state (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    documents INTEGER NOT NULL,
    changes   INTEGER NOT NULL,
    reading   TEXT NOT NULL
) STRICT;
INSERT INTO catalog_state (one, documents, changes, reading) VALUES (1, 0, 0, '');
-- The words are made by this program, one token each; the text itself is in the tables above.
CREATE VIRTUAL TABLE catalog_index USING fts5 (
    head, rest,
    content = '', contentless_delete = 1, detail = 'column',
    tokenize = "ascii tokenchars '_'"
);
CREATE TABLE catalog_files (
    source       TEXT NOT NULL,
    path         TEXT NOT NULL,
    stamp        TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    PRIMARY KEY (source, path)
) STRICT, WITHOUT ROWID;
-- Terms are gathered in memory up to so many bytes: fewer pieces are written, merged and read.
INSERT INTO catalog_index (catalog_index, rank) VALUES ('hashsize', 16777216);
