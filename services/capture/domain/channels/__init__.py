"""Channels, pure: whose way of saying things is read how (adapters), and by what it is trusted (verifications).

A new sender is an adapter: a function from what it delivers to drafts in the field names of the JSON intake. Every draft
then goes through the one intake, where it is normalised, named and flagged as any other payload.
"""

from services.capture.domain.channels.endpoints import ADAPTERS, VERIFICATIONS, Address, Addresses
from services.capture.domain.channels.filling import addressed
from services.capture.domain.channels.terms import (
    Adapter,
    Answered,
    Content,
    Delivery,
    Draft,
    File,
    Forged,
    FormFields,
    Ignored,
    Reading,
    Verified,
)

__all__ = [
    "ADAPTERS",
    "VERIFICATIONS",
    "Adapter",
    "Address",
    "Addresses",
    "Answered",
    "Content",
    "Delivery",
    "Draft",
    "File",
    "Forged",
    "FormFields",
    "Ignored",
    "Reading",
    "Verified",
    "addressed",
]
