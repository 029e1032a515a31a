"""By what an answer is to be cut: what exists, and what the number is known by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.metrics.domain.definitions import DEFINITIONS
from services.metrics.domain.entries import DIMENSIONS
from services.metrics.domain.forms import Definition
from services.metrics.domain.known_by import Known, known_by
from services.metrics.domain.questions import CUTS, VERSION, is_known_by_version
from shared.contracts.policy.calendar import PERIODS
from shared.kit.errors import Rejected


def cuts_asked(definition: Definition, given: Sequence[str], filters: Mapping[str, Any]) -> tuple[str, ...]:
    """What `group_by` says. Raises `Rejected` for what does not exist, and for a cut or a filter that the number is not known by."""
    cuts = tuple(dict.fromkeys(cut.strip() for one in given for cut in one.split(",") if cut.strip()))
    if VERSION in cuts:
        _by_version(definition, cuts)
        return cuts
    unknown = [cut for cut in cuts if cut not in CUTS and cut != "period"]
    if unknown:
        raise Rejected(
            "It names a cut that does not exist.", code="unknown-cut", field="group_by",
            fix=f"Use {', '.join(CUTS)}, several by comma.", extra={"group_by": list(CUTS)},
        )  # fmt: skip
    if "period" in cuts:
        raise Rejected(
            "It has to say which period.", code="unknown-cut", field="group_by", fix=f"Use {', '.join(PERIODS)}."
        )
    if (known := known_by(definition.form)) is not None:
        _known_of(cuts, filters, known)
    return cuts


def _by_version(definition: Definition, cuts: Sequence[str]) -> None:
    if not is_known_by_version(definition):
        known = [one.id for one in DEFINITIONS if is_known_by_version(one)]
        raise Rejected(
            "This number is not known by the version of the policy.", code="unknown-cut", field="group_by",
            fix=f"Ask for {', '.join(known)} by it, or why leads_qualified moved.",
        )  # fmt: skip
    if len(cuts) > 1:
        raise Rejected(
            "Versions of the policy are a cut by themselves.", code="unknown-cut", field="group_by",
            fix="Leave the other cuts out, or ask for one of their groups with a filter.",
        )  # fmt: skip


def _known_of(cuts: Sequence[str], filters: Mapping[str, Any], known: Known) -> None:
    """Refuses a cut that would part leads and not what they are held against."""
    for field, names in (("group_by", cuts), *((name, [name]) for name in filters)):
        if unknown := [name for name in names if name in DIMENSIONS and name not in known.cuts]:
            raise Rejected(
                f"{known.what} not known by {unknown[0]}.", code="unknown-cut", field=field,
                fix=f"Use {', '.join(known.cuts)} or a period.",
            )  # fmt: skip
