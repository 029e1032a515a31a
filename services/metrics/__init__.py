"""Metrics: what converts, how fast, from where. Every number can be recomputed from facts, and is, by the audit.

Consumes  pipeline.lifecycle.v1, pipeline.visits.v1, capture.quarantine.v1
Publishes nothing
Owns      schema `metrics`: facts, leads (who is who), entries (what facts count as), rollups, progress
Serves    the KPI API, audits, and the business metrics on /metrics
"""
