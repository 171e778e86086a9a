-- What is wrong with the documents. Version 2 makes it as well where it makes the index now.
CREATE TABLE IF NOT EXISTS catalog_health (
    document   INTEGER PRIMARY KEY,
    review_due TEXT NOT NULL,
    errors     INTEGER NOT NULL,
    warnings   INTEGER NOT NULL
) STRICT;
