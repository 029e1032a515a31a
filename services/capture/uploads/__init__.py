"""Uploads: files of leads, taken in over HTTP and imported behind it. A file is kept on a disk, everything else about it in
the schema; what a file says reaches neither the database, but for quarantine, nor a log."""

from services.capture.uploads.files import UploadDirectory
from services.capture.uploads.jobs import UploadJobs
from services.capture.uploads.preview import Preview
from services.capture.uploads.publishing import Pace, Publisher
from services.capture.uploads.sweeping import Sweeper
from services.capture.uploads.worker import UploadWorker

__all__ = ["Pace", "Preview", "Publisher", "Sweeper", "UploadDirectory", "UploadJobs", "UploadWorker"]
