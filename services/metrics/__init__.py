"""Metrics: what converts, how fast, from where. Every number can be recomputed from facts, and is, by the audit.

purpose    count each fact once, and answer any question about any time from sums that an audit can make again
consumes   pipeline.lifecycle.v1, pipeline.visits.v1, capture.quarantine.v1
publishes  nothing
owns       schema `metrics`: facts, leads (who is who), entries (what facts count as), rollups and sketches, visitors, spending, rates,
           targets, what was frozen, findings, reports
serves     KPIs with their leads and reasons, forecasts, targets, findings, reports, what was frozen; rebuilds and audits; the business
           metrics on /metrics
"""
