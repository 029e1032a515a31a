"""Scores and their reasons over HTTP, what it takes to change the policy, and the counts that prove that none was lost."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from services.scoring.api import audits, backtests, models, rescores, scores, trainings
from services.scoring.api.people import router as people_router
from shared.kit.auth import require_token

router = APIRouter(prefix="/v1", tags=["scoring"], dependencies=[Depends(require_token)])
for part in (scores, audits, rescores, backtests, models, trainings):
    router.include_router(part.router)

__all__ = ["people_router", "router"]
