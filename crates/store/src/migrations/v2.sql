-- The catalog is rebuilt from its files, so nothing is carried over.
DROP TABLE catalog_text;
DROP TABLE catalog_triggers;
DROP TABLE catalog;
