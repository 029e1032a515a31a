"""Where the workers of a test run ask for servers: the process that started the run answers, each question once."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

from tests.support.choice import Server, Unusable
from tests.support.provision import Provision

ADDRESS = "LEADFLOW_TEST_DESK"
KEY = b"a socket in a private folder"


@contextmanager
def open_desk(provision: Provision) -> Iterator[None]:
    """Answers until the run is over; workers find the way through their environment."""
    with tempfile.TemporaryDirectory(prefix="leadflow-test-desk-") as folder:
        address = str(Path(folder) / "socket")
        before = os.environ.get(ADDRESS)
        lock = threading.Lock()
        with Listener(address, "AF_UNIX", backlog=64, authkey=KEY) as listener:
            threading.Thread(target=_receive, args=(listener, provision, lock), daemon=True).start()
            os.environ[ADDRESS] = address
            try:
                yield
            finally:
                os.environ.pop(ADDRESS, None)
                if before is not None:
                    os.environ[ADDRESS] = before


def _receive(listener: Listener, provision: Provision, lock: threading.Lock) -> None:
    while True:
        try:
            connection = listener.accept()
        except OSError:
            return  # the run is over
        threading.Thread(target=_answer, args=(connection, provision, lock), daemon=True).start()


def _answer(connection: Connection, provision: Provision, lock: threading.Lock) -> None:
    with connection, lock:
        try:
            connection.send(provision.ask(connection.recv()))
        except Unusable as reason:
            connection.send(str(reason))
        except EOFError:
            return
        except Exception as error:
            connection.send(f"{type(error).__name__}: {error}")


def ask(what: str) -> Server:
    """The run's server of a kind. Raises `Unusable`."""
    with Client(os.environ[ADDRESS], "AF_UNIX", authkey=KEY) as connection:
        connection.send(what)
        answer = connection.recv()
    if isinstance(answer, Server):
        return answer
    raise Unusable(str(answer))
