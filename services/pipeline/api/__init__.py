"""Pipeline over HTTP: no rules, no SQL."""
