"""Scoring: how promising each lead is, and why.

purpose    score each person by the policy's rules, beside them by what a model has learned, again whenever either would say otherwise
consumes   capture.leads.v1 (LeadCaptured, InteractionRecorded); pipeline.lifecycle.v1 (LeadTouched, LeadMerged, LeadUnmerged,
           LeadMarked, and what came of leads); pipeline.erasures.v1
publishes  LeadScored on scoring.scores.v1
owns       schema `scoring`: the ledger of touches and who each is counted for, leads with their merges and scores, outcomes, policies,
           models, trainings
serves     a lead's score with its reasons, and its explanation; for operators /v1/rescores, /v1/backtests, /v1/models, /v1/trainings,
           audits, /v1/people:held
"""
