"""Uploads, pure: how a file is to be read, what names its job, what its rows are called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal
from uuid import UUID, uuid5

import orjson

from services.capture.domain.faults import Fault
from services.capture.domain.fields import SHARED_TEXTS
from services.capture.domain.naming import named_event
from services.capture.domain.text import clean_line
from shared.contracts.identity import SENDERS_NAMESPACE
from shared.tabular.converting import one_delimiter
from shared.tabular.encodings import known_encoding
from shared.tabular.errors import Unreadable
from shared.tabular.fields import canonical, zone_named
from shared.tabular.mapping import FileMapping
from shared.tabular.mapping_file import MAX_MAPPING_CHARACTERS, parse_mapping
from shared.tabular.plain import Shape

Status = Literal["waiting", "running", "done", "failed", "cancelled"]
"""`waiting` for its turn; `running`, also while what it needs is away; and three ways to have ended."""

STATUSES: tuple[Status, ...] = ("waiting", "running", "done", "failed", "cancelled")
GOES_ON: tuple[Status, ...] = ("cancelled", "failed")
"""Those that can be gone on with."""

OPTIONS = ("mapping", "zone", "record", "live", "delimiter", "encoding", "sheet", "business_unit", "channel")
MAX_OPTION_CHARACTERS = 200
MAX_FILENAME = 200
MAX_FAULTS = 10_000
"""Faults of refused rows that are told one by one; beyond that rows are counted."""

_MAPPING_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_YES, _NO = frozenset({"true", "yes", "1"}), frozenset({"", "false", "no", "0"})


@dataclass(frozen=True, slots=True)
class Options:
    """How a file is to be read. Everything may be left out. `mapping` is a mapping's text, also where it was named."""

    mapping: str | None = None
    zone: str | None = None
    record: str | None = None
    live: bool = False
    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    business_unit: str | None = None
    channel: str | None = None

    def shape(self) -> Shape:
        """What holds for every row."""
        given = (("business_unit", self.business_unit), ("channel", self.channel))
        return Shape(
            "leads",
            zone=None if self.zone is None else zone_named(self.zone),
            record_column=self.record,
            live=self.live,
            defaults=tuple((name, value) for name, value in given if value is not None),
        )

    def file_mapping(self) -> FileMapping | None:
        """The mapping, read. Raises `Unreadable`."""
        return None if self.mapping is None else parse_mapping(self.mapping, "leads", called="The mapping")

    def given(self) -> dict[str, object]:
        """Those that say something."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False)}


def read_options(given: Mapping[str, str], mappings: Mapping[str, str]) -> Options | tuple[Fault, ...]:
    """Options as they were sent, or everything that is wrong with them. `mappings` are those the policy names."""
    faults = [
        Fault(name[:50], "is no option of an upload", f"There are {', '.join(OPTIONS)}.")
        for name in given
        if name not in OPTIONS
    ]
    texts = {name: value for name, value in given.items() if name in OPTIONS and name != "live" and value != ""}
    for name, value in texts.items():
        limit = MAX_MAPPING_CHARACTERS if name == "mapping" else MAX_OPTION_CHARACTERS
        if len(value) > limit or "\x00" in value:
            faults.append(Fault(name, f"is longer than {limit} characters, or no text", "Shorten it."))
    live = given.get("live", "").strip().lower()
    if live not in _YES | _NO:
        faults.append(Fault("live", "is neither true nor false", "Send true or false."))
    for name, check in (("zone", zone_named), ("delimiter", one_delimiter), ("encoding", known_encoding)):
        if name in texts:
            try:
                check(texts[name])
            except ValueError:
                faults.append(Fault(name, f"is no {name}", "Mend it, or leave it out."))
    if "mapping" in texts and _MAPPING_NAME.fullmatch(texts["mapping"]):
        _named(texts, mappings, faults)
    elif "mapping" in texts and not faults:
        _check_mapping(texts["mapping"], faults)
    return tuple(faults) if faults else Options(**texts, live=live in _YES)


def _named(texts: dict[str, str], mappings: Mapping[str, str], faults: list[Fault]) -> None:
    if texts["mapping"] in mappings:
        texts["mapping"] = mappings[texts["mapping"]]
        return
    known = f"There are {', '.join(sorted(mappings))}" if mappings else "It names none"
    faults.append(Fault("mapping", "is no mapping of the policy", f"{known}; or send the mapping itself."))


def _check_mapping(text: str, faults: list[Fault]) -> None:
    try:
        parse_mapping(text, "leads", called="The mapping")
    except Unreadable as unreadable:
        faults.append(Fault("mapping", f"cannot be understood: {unreadable.detail}", unreadable.fix or "Mend it."))


def faulty_mappings(mappings: Mapping[str, str]) -> list[str]:
    """What is wrong with the mappings that a policy names, one sentence each."""
    found = []
    for name, text in mappings.items():
        try:
            parse_mapping(text, "leads", called=f"mappings.{name}")
        except Unreadable as unreadable:
            found.append(f"{unreadable.detail} {unreadable.fix or ''}".strip())
    return found


def upload_id(sender: str, digest: str, options: Options) -> UUID:
    """The id of a job: the same file of the same sender, read in the same way, is the same job."""
    told = orjson.dumps(options.given(), option=orjson.OPT_SORT_KEYS).decode()
    return uuid5(SENDERS_NAMESPACE, f"upload\x1f{sender}\x1f{digest}\x1f{told}")


def plain_filename(given: str) -> str:
    """A file's name without the folders that some browsers send, short and on one line."""
    name = clean_line(given.replace("\\", "/").rpartition("/")[2].replace("\x00", ""))
    return name[-MAX_FILENAME:] or "upload"


def check_rights(columns: Sequence[str], options: Options, mapping: FileMapping | None, *, may_backdate: bool) -> None:
    """Raises `Unreadable` where every dated row would be refused for what the key may not."""
    if options.live or may_backdate:
        return
    if mapping is None:
        dated = any(canonical(column, "leads") == "occurred_at" for column in columns)
    else:
        dated = any("occurred_at" in template.fields for template in mapping.templates)
    if dated:
        raise Unreadable(
            "The rows say when they happened, so they are history, and this key lacks the scope backdate.",
            "Use a key with that scope, or send live=true where the rows are news.",
        )


def row_event_id(body: Mapping[str, object], sender: str) -> str | None:
    """The id that intake will give the lead of this row; None for one that it will refuse to name."""
    unit = SHARED_TEXTS["business_unit"].read(body.get("business_unit"), [])
    record = SHARED_TEXTS["record_id"].read(body.get("record_id"), [])
    return None if record is None else named_event(unit or "default", sender, "lead", record)
