"""Metrics over HTTP: no rules, no SQL."""
