"""What scoring keeps, and how the handlers read and write it."""

from services.scoring.storage.leads import (
    GroupChanged,
    due_leads,
    groups,
    in_snapshot,
    locked_groups,
    people,
    postpone,
    root_of,
    save_leads,
)
from services.scoring.storage.ledger import add_attachments, add_touches, ledgers
from services.scoring.storage.model_tables import ModelActivationRow, ModelRow, TrainingRow
from services.scoring.storage.models import (
    activations,
    active_model,
    active_models,
    add_model,
    let_speak,
    model,
    models,
    note_training,
    speaks,
    spoke_before,
    trainings,
)
from services.scoring.storage.outcomes import add_outcomes
from services.scoring.storage.policies import recalled, remember
from services.scoring.storage.rescores import advance_rescore, ask_rescore, next_roots, rescores, running_rescore
from services.scoring.storage.tables import (
    AttachmentRow,
    LeadRow,
    OutcomeRow,
    PolicyRow,
    RescoreRow,
    ScoringTable,
    TouchRow,
)

__all__ = [
    "AttachmentRow",
    "GroupChanged",
    "LeadRow",
    "ModelActivationRow",
    "ModelRow",
    "OutcomeRow",
    "PolicyRow",
    "RescoreRow",
    "ScoringTable",
    "TouchRow",
    "TrainingRow",
    "activations",
    "active_model",
    "active_models",
    "add_attachments",
    "add_model",
    "add_outcomes",
    "add_touches",
    "advance_rescore",
    "ask_rescore",
    "due_leads",
    "groups",
    "in_snapshot",
    "ledgers",
    "let_speak",
    "locked_groups",
    "model",
    "models",
    "next_roots",
    "note_training",
    "people",
    "postpone",
    "recalled",
    "remember",
    "rescores",
    "root_of",
    "running_rescore",
    "save_leads",
    "speaks",
    "spoke_before",
    "trainings",
]
