"""Which broker an embedded run uses, and that it stays the same one for as long as there is data."""

from __future__ import annotations

from enum import StrEnum

from shared.cli.local.errors import LocalRunError
from shared.cli.local.run_directory import RunDirectory


class BrokerKind(StrEnum):
    """The brokers that `leadflow up` can start."""

    APACHE = "apache"
    EMBEDDED = "embedded"

    @property
    def spoken(self) -> str:
        return "Apache Kafka" if self is BrokerKind.APACHE else "the embedded broker"


def remembered_broker(directory: RunDirectory) -> BrokerKind | None:
    """The kind that this directory's data belongs to; None while there is no data."""
    try:
        return BrokerKind(directory.broker.read_text(encoding="utf-8").strip())
    except ValueError:
        raise LocalRunError(
            f"{directory.broker} names no broker; it must say {' or '.join(BrokerKind)}, whichever made the data."
        ) from None
    except FileNotFoundError:
        return BrokerKind.EMBEDDED if directory.kafka.exists() else None  # from before there was a choice


def choose_broker(directory: RunDirectory, asked: BrokerKind | None) -> BrokerKind:
    """The kind that was asked for, else the one of the last start, else the embedded one.

    Raises `LocalRunError` when there is data of the other kind: PostgreSQL keeps how far each consumer has come in
    *that* log, so with another log every position would be wrong.
    """
    known = remembered_broker(directory)
    if asked is None or known is None or asked == known:
        return asked or known or BrokerKind.EMBEDDED
    raise LocalRunError(
        f"The data in {directory.path} belongs to {known.spoken}: the database keeps positions in its log, which mean "
        f"nothing to {asked.spoken}. Go on with `leadflow up --broker {known}`, forget the data with `make reset` and "
        f"start again, or keep both: LEADFLOW_HOME=DIRECTORY leadflow up --broker {asked}"
    )


def remember_broker(directory: RunDirectory, kind: BrokerKind) -> None:
    """Notes which kind the data belongs to; to be called before there is any."""
    directory.broker.write_text(f"{kind}\n", encoding="utf-8")
