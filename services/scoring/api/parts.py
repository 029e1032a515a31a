"""What requests are answered with."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from services.scoring.auditing import Auditor
from services.scoring.models import Models
from services.scoring.policies import Policies
from services.scoring.rescoring import Rescoring
from services.scoring.training import Training
from shared.kit.database import Database


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def _policies(request: Request) -> Policies:
    policies: Policies = request.app.state.policies
    return policies


def _auditor(request: Request) -> Auditor:
    auditor: Auditor = request.app.state.auditor
    return auditor


def _rescoring(request: Request) -> Rescoring:
    rescoring: Rescoring = request.app.state.rescoring
    return rescoring


def _models(request: Request) -> Models:
    models: Models = request.app.state.models
    return models


def _training(request: Request) -> Training:
    training: Training = request.app.state.training
    return training


Stored = Annotated[Database, Depends(_database)]
Known = Annotated[Policies, Depends(_policies)]
AtWork = Annotated[Models, Depends(_models)]
Audits = Annotated[Auditor, Depends(_auditor)]
Rescores = Annotated[Rescoring, Depends(_rescoring)]
Trainings = Annotated[Training, Depends(_training)]
