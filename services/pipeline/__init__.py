"""Pipeline: the lead, from the moment it is known until it is a customer or put aside.

purpose    know who is one person, qualify by the policy's rules, give work to people, and tell every step of a lead's story once
consumes   capture.leads.v1 (LeadCaptured, InteractionRecorded); scoring.scores.v1 (LeadScored); pipeline.erasures.v1, its own
publishes  pipeline.lifecycle.v1: every event of a lead's story, keyed by lead, each with that lead's version; pipeline.visits.v1:
           on which days visitors came; pipeline.erasures.v1: who is to be forgotten everywhere
owns       schema `pipeline`: leads, identities, history, contacts, tasks, opportunities, orders, what waits for its lead, visits,
           webhooks, messages, bulk jobs, tokens
serves     leads, tasks and the queue, opportunities, orders, search, activities, bulk jobs, export, import of history, webhooks, the
           policy, /v1/people, /v1/tokens; audits
"""
