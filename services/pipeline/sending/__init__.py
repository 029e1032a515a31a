"""Steps that send: a message is decided on by the timer that finds its step due, in one transaction with what allows it; it is written
and sent after that.

deciding    the gate: consent, limits, quiet hours; what is not sent goes to a person or is left out
posting     sends what was decided on, and records how that went
smtp        by a mail server
provider    by a provider's webhook, signed like those that others follow by
The rules are in domain/messages.py, the words in the policy's `templates`.
"""

from services.pipeline.sending.together import Messages

__all__ = ["Messages"]
