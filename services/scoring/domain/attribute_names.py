"""What the name of an attribute tells of its values: plain ones that many leads share, or who somebody is."""

from __future__ import annotations

import re

# fmt: off
PLAIN_WORDS = frozenset({
    "activity", "amount", "audience", "authority", "band", "bedrooms", "billing", "bracket", "branche", "brand", "browser",
    "budget", "cadence", "category", "channel", "class", "color", "colour", "competitor", "complexity", "course", "courses",
    "currency", "deadline", "degree", "demo", "department", "device", "discount", "duration", "edition", "education",
    "effectif", "employees", "engagement", "experience", "format", "frequency", "fuel", "function", "funding", "fleet",
    "goal", "grade", "groesse", "grösse", "headcount", "income", "industria", "industrie", "industry", "integration",
    "interest", "interests", "kategorie", "language", "level", "licence", "licences", "license", "licenses", "market",
    "maturity", "medium", "mitarbeiter", "mitarbeiterzahl", "mode", "model", "modell", "newsletter", "objective",
    "occupation", "offer", "opens", "orders", "origin", "package", "payment", "persona", "plan", "platform", "presupuesto",
    "price", "priority", "product", "products", "profession", "program", "programme", "property", "purchases", "purpose",
    "quality", "quantity", "rank", "rating", "readiness", "region", "revenue", "role", "rooms", "scale", "score", "seats",
    "secteur", "sector", "segment", "seniority", "service", "services", "sessions", "size", "source", "specialization",
    "specialisation", "spend", "spending", "spent", "stack", "stage", "status", "storage", "subscription", "taille", "taxonomy",
    "team", "technology", "term", "territory", "theme", "tier", "timeframe", "timeline", "topic", "training", "trial",
    "turnover", "type", "umsatz", "units", "urgency", "usage", "use", "variant", "vehicle", "version", "vertical", "views",
    "visits", "volume", "warranty", "weekday", "workload",
})
"""An attribute is plain where one of these is in its name and no word that is in neither list."""

BESIDE_WORDS = frozenset({
    "a", "and", "annual", "application", "are", "at", "average", "b", "business", "buying", "by", "c", "case", "clicks",
    "company", "count", "current", "customer", "daily", "day", "days", "decision", "did", "du", "estimated", "expected",
    "existing", "first", "for", "from", "has", "have", "hours", "how", "in", "initial", "is", "job", "last", "lead", "main",
    "many", "marketing", "max", "min", "minutes", "monthly", "month", "months", "most", "much", "new", "number", "of", "on",
    "or", "organisation", "organization", "page", "pages", "per", "planned", "preferred", "primary", "project", "purchase",
    "quarterly", "requested", "sales", "seconds", "target", "the", "time", "to", "total", "visit", "was", "web",
    "website", "weekly", "weeks", "what", "which", "wanted", "with", "year", "yearly", "years", "your",
})
"""Words that may stand beside a plain one, and alone say nothing."""

PERSONAL_WORDS = frozenset({
    "bsn", "card", "cell", "cpf", "dni", "dob", "fax", "geb", "gps", "iban", "id", "ids", "ip", "lat", "lng", "lon", "long",
    "mob", "nie", "nif", "nino", "nom", "no", "num", "ort", "pan", "pin", "plz", "rue", "ssn", "steuer", "tax", "tel", "tfn",
    "url", "uid", "uuid", "vat", "wa", "zip",
})
"""Too short to look for inside of other words."""

PERSONAL_STEMS = (
    "aadhaar", "aadhar", "account", "address", "adresse", "anschrift", "apellid", "birth", "calle", "cellular", "celular",
    "cognome", "comment", "contact", "cookie", "courriel", "correo", "cumple", "dateofb", "direcc", "email", "endereco",
    "endereço", "facebook", "fbclid", "freetext", "geburt", "gclid", "handle", "handy", "indirizzo", "instagram", "kontakt",
    "kommentar", "latitud", "linkedin", "login", "longitud", "mail", "maiden", "message", "mensaje", "mobil", "msclkid",
    "nachricht", "naissance", "name", "nascimento", "nacimiento", "naam", "nombre", "nome", "note", "nummer", "numero",
    "número", "passport", "passwor", "phone", "portable", "postal", "postcode", "postleit", "prenom", "prénom", "remark",
    "rufnummer", "secret", "signatur", "skype", "sobrenome", "straat", "strasse", "street", "surname", "telefon",
    "telegram", "telephon", "token", "twitter", "username", "website", "whatsapp", "wohnort",
)
"""Looked for inside of words, since names are run together."""
# fmt: on

LONGEST_NAME = 64
MOST_DIGITS = 4

_WORDS = re.compile(r"[A-Z]+(?![^\W\dA-Z_])|[A-Z]?[^\W\dA-Z_]+")
_DIGITS = re.compile(r"\d")


def is_plain(name: str) -> bool:
    """Whether every word of a name is one that plain values have, and one of them says what of."""
    words = _words(name)
    return (
        _is_short(name)
        and not PLAIN_WORDS.isdisjoint(words)
        and all(word in PLAIN_WORDS or word in BESIDE_WORDS for word in words)
    )


def tells_personal(name: str) -> bool:
    """Whether an attribute of this name may tell who somebody is, or its name itself does."""
    words = _words(name)
    together = "".join(words)
    return (
        not _is_short(name)
        or not PERSONAL_WORDS.isdisjoint([*words, together])
        or any(stem in together for stem in PERSONAL_STEMS)
    )


def _is_short(name: str) -> bool:
    return len(name) <= LONGEST_NAME and "@" not in name and len(_DIGITS.findall(name)) <= MOST_DIGITS


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _WORDS.findall(name)]
