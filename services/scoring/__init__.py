"""Scoring: how promising each lead is, and why.

Consumes  capture.leads.v1 (LeadCaptured, InteractionRecorded), pipeline.lifecycle.v1 (LeadTouched, LeadMerged,
          LeadUnmerged, LeadMarked, and what came of leads)
Publishes scoring.scores.v1 (LeadScored)
Owns      schema `scoring`: the ledger of touches and who each is counted for, the leads with their merges and scores, the
          outcomes, the models
Serves    a lead's score with its reasons, audits of captured events, counts
"""
