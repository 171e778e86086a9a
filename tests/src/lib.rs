//! End-to-end tests, the catalog and the arrows: see `tests/tests`.
