"""The gate before a message: whether a step that sends may, decided where nobody else can decide about the same lead."""

from __future__ import annotations

from collections.abc import Sequence

from services.pipeline.assigning import Assigning
from services.pipeline.contacting import Contacting
from services.pipeline.domain.due import Task
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.message_ids import message_id_of
from services.pipeline.domain.messages import Wanted, decide_send
from services.pipeline.storage import loading, messages
from shared.kit.database import Transaction


class Deciding:
    """Decides on messages. `sends` is whether this deployment has a way to send any."""

    def __init__(self, assigning: Assigning, contacting: Contacting, *, sends: bool) -> None:
        self._assigning = assigning
        self._contacting = contacting
        self._sends = sends

    async def decide(
        self, transaction: Transaction, ledger: Ledger, tasks: Sequence[Task]
    ) -> list[tuple[Task, list[Draft]]]:
        """What becomes of steps that send and begin now, recorded one after the other: each counts the attempts before it. The
        messages that are to be sent are put on their way."""
        await loading.load_stories(transaction, ledger, [task.lead_id for task in tasks])
        known = await messages.known(transaction, [message_id_of(task.task_id) for task in tasks])
        recorded: list[tuple[Task, list[Draft]]] = []
        wanted: list[tuple[Wanted, str]] = []
        for task in tasks:
            root = ledger.root(task.lead_id)
            if message_id_of(task.task_id) in known:
                continue
            drafts, message = decide_send(
                self._assigning.following(root.business_unit),
                root.state,
                task,
                verdict=self._contacting.asked(ledger, root.lead_id, task.channel or "email", transaction.now),
                address=self._contacting.address(ledger, root.lead_id),
                sends=self._sends,
                now=transaction.now,
            )
            for draft in drafts:
                ledger.record(ledger.story_of(root.lead_id, draft), draft)
            recorded.append((task, drafts))
            if message is not None:
                wanted.append((message, root.business_unit))
        if known:
            await messages.rest(transaction, [task.task_id for task in tasks if message_id_of(task.task_id) in known])
        await messages.add(transaction, wanted)
        return recorded
