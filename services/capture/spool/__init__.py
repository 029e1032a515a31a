"""The spool: what is accepted while the log is away waits here, on local disk, and outlives the process."""

from services.capture.spool.directory import SpoolUnusable
from services.capture.spool.segments import Segments
from services.capture.spool.spool import Spool, SpoolFull
from services.capture.spool.spooling import SpoolingLog
from services.capture.spool.telling import SpoolTelling

__all__ = ["Segments", "Spool", "SpoolFull", "SpoolTelling", "SpoolUnusable", "SpoolingLog"]
