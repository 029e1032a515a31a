"""Outgoing webhooks: others follow what happens to leads.

endpoints   who follows: made, changed, given a new secret, disabled, told again
feeding     what is on the log becomes deliveries, and so does what is asked for again
sending     deliveries are made, in order of each lead, and settled by how they are answered
posting     one request to somebody else's server, and nowhere else
watching    what monitoring is told
The rules are in domain/webhook_rules.py and shared/kit/outside.py, the tables in storage/webhook*.py.
"""

from services.pipeline.webhooks.together import Webhooks

__all__ = ["Webhooks"]
