"""From a sender's names to ours: the endpoint's mapping, names that everybody knows, constants, and whatever is left,
which intake keeps and flags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from shared.contracts.policy import Endpoint

_FIRST, _LAST = "first_name", "last_name"
_ALSO_CALLED = {
    "name": ("full_name", "fullname", "your_name", "contact_name"),
    _FIRST: ("firstname", "given_name", "fname", "forename"),
    _LAST: ("lastname", "family_name", "lname", "surname"),
    "email": ("e_mail", "email_address", "emailaddress", "mail", "work_email", "business_email", "your_email"),
    "phone": ("tel", "telephone", "phone_number", "phonenumber", "mobile", "mobile_phone", "cell", "work_phone"),
    "company": ("company_name", "companyname", "organisation", "organization", "organization_name", "business_name"),
    "job_title": ("jobtitle", "job", "position", "organization_title", "title_at_work"),
    "message": ("comments", "comment", "your_message", "textarea", "enquiry", "inquiry"),
    "country": ("country_code",),
}
_OUR_NAME = {other: ours for ours, others in _ALSO_CALLED.items() for other in (ours, *others)}
_SEPARATORS = str.maketrans(" -.", "___")


def our_name(name: str) -> str:
    """Our field that a sender's name plainly means, else the name as it is."""
    return _OUR_NAME.get(name.strip().lower().translate(_SEPARATORS), name)


def found(document: object, path: str) -> object:
    """The value at a path of names and places parted by dots, or None. A name that has dots itself is found as it is."""
    if isinstance(document, Mapping) and path in document:
        return cast(object, document[path])
    here = document
    for step in path.split("."):
        if isinstance(here, Mapping):
            here = here.get(step)
        elif isinstance(here, list) and step.isdecimal() and len(step) < 6 and int(step) < len(here):
            here = here[int(step)]
        else:
            return None
    return here


def without(document: Mapping[str, object], path: str) -> dict[str, object]:
    """The document without what is at a path; it stays as it is itself. Items of lists stay, since they are known by
    their place."""
    rest = dict(document)
    if path in rest:
        del rest[path]
        return rest
    step, _, further = path.partition(".")
    inner = rest.get(step)
    if further and isinstance(inner, Mapping):
        left = without(inner, further)
        if left:
            rest[step] = left
        else:
            del rest[step]
    return rest


def text(value: object) -> str:
    """A plain value as text, empty for what is none."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else ""


def joined(values: Iterable[object]) -> str | None:
    """Texts with a space between, such as a first and a last name. None where there is none."""
    return " ".join(word for word in map(text, values) if word) or None


def filled(fields: Mapping[str, object], endpoint: Endpoint) -> dict[str, object]:
    """A record's body: mapped fields under our names, then those whose names everybody knows, the others under their own,
    and constants where nothing was sent. Several fields mapped to one are joined by a space."""
    body: dict[str, object] = {}
    rest: dict[str, object] = dict(fields)
    for name, source in endpoint.mapping.items():
        paths = (source,) if isinstance(source, str) else source
        values = [found(fields, path) for path in paths]
        value = values[0] if len(values) == 1 else joined(values)
        if value not in (None, ""):
            body[name] = value
        for path in paths:
            rest = without(rest, path)
    known: dict[str, object] = {}
    for name, value in rest.items():
        ours = our_name(name)
        if ours in body or known.get(ours) not in (None, ""):
            # Said twice: what was said first, or is mapped, counts; the other is kept beside it.
            known[f"attributes.{name}"] = value
        else:
            known[ours] = value
    full = joined((known.pop(_FIRST, None), known.pop(_LAST, None)))
    if full is not None:
        known["attributes.first_and_last_name" if "name" in body or known.get("name") else "name"] = full
    body |= known
    for name, value in endpoint.constants.items():
        if body.get(name) in (None, ""):
            body[name] = value
    return body


def addressed(body: Mapping[str, object], unit: str, endpoint: Endpoint) -> dict[str, object]:
    """The body as this endpoint's: its unit always, its channel where the sender names none."""
    other = body.get("business_unit")
    named = {**body, "business_unit": unit}
    if other not in (None, "", unit):
        named["attributes.business_unit"] = other
    if named.get("channel") in (None, ""):
        named["channel"] = endpoint.channel
    return named
