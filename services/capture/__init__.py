"""Capture: the door. Takes leads and interactions in, and answers only when the log has them,
or the spool on its disk where that is on.

purpose    normalise what any channel sends, name it (event id, lead id) without a look-up, and publish it durably
consumes   capture.leads.v1, its own: what it reads back of it are the receipts that counts are made from; pipeline.erasures.v1
publishes  LeadCaptured, InteractionRecorded on capture.leads.v1; what comes into quarantine and becomes of it on capture.quarantine.v1
owns       the directories of the spool and of uploads; schema `capture`, off the way of a 202: API keys, quarantine, receipts of what
           is on the log, counts, uploads
serves     POST /v1/leads, /v1/leads:batch, /v1/interactions, /v1/interactions:batch, /v1/channels/<unit>/<endpoint>, /leadflow.js,
           /v1/uploads, /v1/reconciliation; for operators /v1/keys, /v1/quarantine, /v1/people:held
"""
