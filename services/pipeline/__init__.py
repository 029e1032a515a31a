"""Pipeline: the lead, from the moment it is known until it is a customer or put aside.

consumes   capture.leads.v1 (LeadCaptured, InteractionRecorded), scoring.scores.v1 (LeadScored)
publishes  pipeline.lifecycle.v1: every event of a lead's story, keyed by lead, each with that lead's version
owns       schema pipeline: leads, identities, history, opportunities, what waits for its lead
serves     lead and opportunity commands and queries, import of history, audit
"""
