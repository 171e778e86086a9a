CREATE TABLE device (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    id       BLOB NOT NULL,
    opens    INTEGER NOT NULL,
    row_hash BLOB NOT NULL
) STRICT;

CREATE TABLE journal (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    hash      BLOB NOT NULL UNIQUE,
    execution BLOB NOT NULL,
    seq       INTEGER NOT NULL,
    envelope  BLOB NOT NULL
) STRICT;
CREATE INDEX journal_by_execution ON journal (execution);

CREATE TABLE chains (
    execution BLOB NOT NULL,
    device    BLOB NOT NULL,
    session   BLOB NOT NULL,
    top       INTEGER NOT NULL,
    head      BLOB NOT NULL,
    latest    INTEGER NOT NULL,
    events    INTEGER NOT NULL,
    mix       BLOB NOT NULL,
    row_hash  BLOB NOT NULL,
    PRIMARY KEY (execution, device, session)
) STRICT, WITHOUT ROWID;

CREATE TABLE executions (
    id               BLOB PRIMARY KEY,
    label            TEXT NOT NULL,
    runbook          TEXT NOT NULL,
    runbook_name     TEXT NOT NULL,
    runbook_title    TEXT NOT NULL,
    runbook_digest   TEXT NOT NULL,
    status           TEXT NOT NULL,
    succeeded        INTEGER,
    started_ms       INTEGER NOT NULL,
    finished_ms      INTEGER,
    started_by       TEXT NOT NULL,
    incident         TEXT,
    ticket           TEXT,
    context          TEXT,
    waiting_on       TEXT,
    triggered_by     TEXT,
    duration_seconds REAL,
    summary          TEXT NOT NULL,
    row_hash         BLOB NOT NULL
) STRICT;

CREATE TABLE output (
    invocation TEXT PRIMARY KEY,
    execution  BLOB NOT NULL,
    bytes      INTEGER NOT NULL,
    dropped    INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    row_hash   BLOB NOT NULL
) STRICT;
CREATE INDEX output_by_execution ON output (execution);
CREATE TABLE output_chunks (
    id         INTEGER PRIMARY KEY,
    invocation TEXT NOT NULL,
    stream     INTEGER NOT NULL,
    at_ms      INTEGER NOT NULL,
    bytes      BLOB NOT NULL,
    row_hash   BLOB NOT NULL
) STRICT;
CREATE INDEX output_chunks_by_invocation ON output_chunks (invocation);

CREATE TABLE settings (
    key      TEXT PRIMARY KEY,
    value    TEXT NOT NULL,
    row_hash BLOB NOT NULL
) STRICT;

CREATE TABLE catalog_sources (
    path     TEXT PRIMARY KEY,
    added_ms INTEGER NOT NULL,
    row_hash BLOB NOT NULL
) STRICT;

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
    tags         TEXT NOT NULL
) STRICT;
CREATE INDEX catalog_by_source ON catalog (source);
CREATE TABLE catalog_triggers (
    document INTEGER NOT NULL,
    alert    TEXT NOT NULL,
    PRIMARY KEY (alert, document)
) STRICT, WITHOUT ROWID;
CREATE INDEX catalog_triggers_by_document ON catalog_triggers (document);
CREATE VIRTUAL TABLE catalog_text USING fts5 (
    id, name, title, triggers, symptoms, services, tags, description, words, body,
    tokenize = 'unicode61 remove_diacritics 2',
    prefix = '2 3'
);
