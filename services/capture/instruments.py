"""What capture tells monitoring."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.capture.domain import REASONS
from shared.kit.instruments import FAST_SECONDS


class CaptureInstruments:
    """Intake by how it ended. Channels are those of the policy, anything else is `other`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leads_accepted = Counter(
            "leadflow_capture_leads_accepted_total",
            "Leads the log or the spool has, by channel.",
            ["channel"],
            registry=registry,
        )
        self.interactions_accepted = Counter(
            "leadflow_capture_interactions_accepted_total",
            "Interactions the log or the spool has, by channel.",
            ["channel"],
            registry=registry,
        )
        self.items_refused = Counter(
            "leadflow_capture_items_refused_total",
            "Leads and interactions not taken, by kind and reason: invalid, forbidden, conflict, unavailable.",
            ["kind", "reason"],
            registry=registry,
        )
        self.items_repeated = Counter(
            "leadflow_capture_items_repeated_total",
            "Leads and interactions that said again what was accepted before, as far as is remembered, by kind.",
            ["kind"],
            registry=registry,
        )
        self.remembered_events = Gauge(
            "leadflow_capture_remembered_events",
            "Accepted events that repetitions are held against.",
            registry=registry,
        )
        self.remembered_bytes = Gauge(
            "leadflow_capture_remembered_bytes", "About how much memory they take.", registry=registry
        )
        self.requests = Counter(
            "leadflow_capture_requests_total",
            "Intake requests by operation and HTTP status.",
            ["operation", "status"],
            registry=registry,
        )
        self.deliveries = Counter(
            "leadflow_capture_deliveries_total",
            "What channels delivered, by adapter and how it ended: taken, ignored, refused, forged, limited, "
            "unreadable, unavailable.",
            ["adapter", "outcome"],
            registry=registry,
        )
        self.deliveries_proven = Counter(
            "leadflow_capture_deliveries_proven_total",
            "Deliveries by the secret that proved them and its age: newest, older. An older one that is idle can go.",
            ["secret", "age"],
            registry=registry,
        )
        self.produce_seconds = Histogram(
            "leadflow_capture_produce_seconds",
            "Time from a decided payload until the log or the spool has it.",
            buckets=FAST_SECONDS,
            registry=registry,
        )
        self.inflight_requests = Gauge(
            "leadflow_capture_inflight_requests", "Intake requests being worked on.", registry=registry
        )
        self.inflight_bytes = Gauge(
            "leadflow_capture_inflight_bytes", "Bytes of their bodies held in memory.", registry=registry
        )


class QuarantineInstruments:
    """What was refused and is kept, by why: invalid, unreadable, conflict."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.quarantined = Counter(
            "leadflow_capture_quarantined_total",
            "Payloads that were refused and put into quarantine, by kind and reason.",
            ["kind", "reason"],
            registry=registry,
        )
        self.not_kept = Counter(
            "leadflow_capture_quarantine_not_kept_total",
            "Payloads that were refused and not kept: quarantine is full, or there is no database.",
            ["reason"],
            registry=registry,
        )
        self.open_entries = Gauge(
            "leadflow_capture_quarantine_open_entries",
            "Entries that wait for an operator, as the database last counted them.",
            ["reason"],
            registry=registry,
        )
        self.oldest_open_timestamp = Gauge(
            "leadflow_capture_quarantine_oldest_open_timestamp_seconds",
            "When the oldest of them was received; 0 where none is open.",
            registry=registry,
        )

    def tell(self, open_by_reason: Mapping[str, int], oldest: datetime | None) -> None:
        """What waits now. A reason that nothing waits for any more is 0."""
        for reason in REASONS:
            self.open_entries.labels(reason).set(open_by_reason.get(reason, 0))
        self.oldest_open_timestamp.set(0 if oldest is None else oldest.timestamp())


class UploadInstruments:
    """Files that are imported. Only where uploads are taken."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rows = Counter(
            "leadflow_capture_upload_leads_total",
            "Leads of uploaded files by how they ended: accepted, duplicate, rejected.",
            ["outcome"],
            registry=registry,
        )
        self.ended = Counter(
            "leadflow_capture_uploads_ended_total",
            "Uploads that this process brought to an end: done, failed.",
            ["status"],
            registry=registry,
        )
        self.jobs = Gauge(
            "leadflow_capture_uploads",
            "Uploads that have not ended, of all processes, as the database last counted them.",
            ["status"],
            registry=registry,
        )
        self.kept_bytes = Gauge(
            "leadflow_capture_uploads_kept_bytes",
            "Bytes of uploaded files that are kept, of all processes, as they came in.",
            registry=registry,
        )
        self.moved_timestamp = Gauge(
            "leadflow_capture_uploads_moved_timestamp_seconds",
            "When any upload that has not ended last came further; 0 where all have ended.",
            registry=registry,
        )

    def tell(self, waiting: int, running: int, kept_bytes: int, moved_at: datetime | None) -> None:
        """What there is now."""
        self.jobs.labels("waiting").set(waiting)
        self.jobs.labels("running").set(running)
        self.kept_bytes.set(kept_bytes)
        self.moved_timestamp.set(0 if moved_at is None else moved_at.timestamp())


class BookInstruments:
    """What is noted beside intake, by book."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.pending = Gauge(
            "leadflow_capture_books_pending_entries",
            "Entries in memory that wait to be written.",
            ["book"],
            registry=registry,
        )
        self.written = Counter(
            "leadflow_capture_books_written_total", "Entries that are in the database.", ["book"], registry=registry
        )
        self.lost = Counter(
            "leadflow_capture_books_lost_total",
            "Entries that will never be, by reason: full (the database was away too long), refused, shutdown.",
            ["book", "reason"],
            registry=registry,
        )


class SpoolInstruments:
    """What waits on disk for the log. Only where the spool is on."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Gauge("leadflow_capture_spool_records", "Events that wait for the log.", registry=registry)
        self.size = Gauge("leadflow_capture_spool_bytes", "Bytes of the spool's files.", registry=registry)
        self.limit = Gauge("leadflow_capture_spool_limit_bytes", "How many they may be.", registry=registry)
        self.oldest_age = Gauge(
            "leadflow_capture_spool_oldest_age_seconds",
            "How long the oldest event has waited; 0 when none waits.",
            registry=registry,
        )
        self.age_limit = Gauge(
            "leadflow_capture_spool_age_limit_seconds", "How long one should wait at most.", registry=registry
        )
        self.aside = Gauge(
            "leadflow_capture_spool_files_aside",
            "Files that hold what could not be read, or what the log refused for good; they wait for a person.",
            registry=registry,
        )
        self.spooled = Counter("leadflow_capture_spooled_total", "Events kept on disk for the log.", registry=registry)
        self.drained = Counter(
            "leadflow_capture_spool_drained_total",
            "Events that left the spool: the log has them, or they were set aside.",
            registry=registry,
        )
        self.refused = Counter(
            "leadflow_capture_spool_refused_total",
            "Events neither log nor spool took, by reason: full, disk_full, disk_error, slow.",
            ["reason"],
            registry=registry,
        )
        for reason in ("full", "disk_full", "disk_error", "slow"):
            self.refused.labels(reason)
        self.torn_bytes = Counter(
            "leadflow_capture_spool_torn_bytes_total",
            "Bytes cut off at a start: a write that the end of the process before had cut short.",
            registry=registry,
        )
        self.fsync_seconds = Histogram(
            "leadflow_capture_spool_write_seconds",
            "Time of one write with its fsync, which many requests share.",
            buckets=FAST_SECONDS,
            registry=registry,
        )


class ReceiptInstruments:
    """What is read back from the log."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.unreadable = Counter(
            "leadflow_capture_receipts_unreadable_records_total",
            "Records of the topic that are no events, and so got no receipt.",
            registry=registry,
        )


class RetentionInstruments:
    """What is forgotten after its time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.deleted = Counter(
            "leadflow_capture_retention_deleted_rows_total", "Rows forgotten, by rule.", ["rule"], registry=registry
        )
