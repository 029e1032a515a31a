"""What passes by itself, what is poison, and what a person is told about a wrong environment."""

from __future__ import annotations

import uuid
from pathlib import Path

import psycopg.errors
import pytest
import sqlalchemy.exc
from aiokafka.errors import KafkaConnectionError, NotLeaderForPartitionError, TopicAuthorizationFailedError
from pydantic import BaseModel

from shared.kit.dead_letters import describe
from shared.kit.documents import InvalidDocument, read_yaml
from shared.kit.errors import Rejected, Retryable, Stopped
from shared.kit.ids import new_id, new_id_text
from shared.kit.settings import InvalidSettings, ServiceSettings, read_settings, redacted
from shared.kit.transient import is_transient


def database_error(error: Exception, invalidated: bool = False) -> sqlalchemy.exc.DBAPIError:
    return sqlalchemy.exc.DBAPIError("statement", None, error, connection_invalidated=invalidated)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (Retryable("away"), True),
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (database_error(psycopg.errors.DeadlockDetected()), True),
        (database_error(psycopg.errors.SerializationFailure()), True),
        (database_error(psycopg.errors.AdminShutdown()), True),
        (database_error(psycopg.errors.TooManyConnections()), True),
        (database_error(psycopg.errors.ReadOnlySqlTransaction()), True),
        (database_error(psycopg.errors.DiskFull()), True),
        (database_error(psycopg.errors.QueryCanceled()), True),
        (database_error(psycopg.OperationalError("connection refused")), True),
        (database_error(psycopg.errors.UniqueViolation(), invalidated=True), True),
        (KafkaConnectionError(), True),
        (NotLeaderForPartitionError(), True),
        (TopicAuthorizationFailedError(), False),
        (database_error(psycopg.errors.UniqueViolation()), False),
        (database_error(psycopg.errors.UntranslatableCharacter()), False),
        (database_error(psycopg.errors.NumericValueOutOfRange()), False),
        (database_error(psycopg.errors.UndefinedTable()), False),
        (Rejected("no"), False),
        (Stopped("no"), False),
        (KeyError("bug"), False),
    ],
)
def test_only_what_can_pass_by_itself_is_transient(error: Exception, passes: bool) -> None:
    assert is_transient(error) is passes


class Person(BaseModel):
    email: int


def test_a_dead_letters_detail_names_the_fault_and_never_the_value() -> None:
    try:
        Person.model_validate({"email": "maryam@example.com"})
    except ValueError as error:
        reason, detail = describe(error)
    assert (reason, detail) == ("invalid", "email: int_parsing")


def test_a_wrong_environment_is_told_all_at_once_by_the_variables_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADFLOW_API_TOKEN", "short")
    monkeypatch.setenv("LEADFLOW_LOG_LEVEL", "LOUD")
    monkeypatch.delenv("LEADFLOW_IDENTITY_SECRET", raising=False)
    with pytest.raises(InvalidSettings) as told:
        read_settings(ServiceSettings)
    for name in ("LEADFLOW_API_TOKEN", "LEADFLOW_LOG_LEVEL", "LEADFLOW_IDENTITY_SECRET"):
        assert name in str(told.value)
    assert "short" not in str(told.value).replace("shorter", "")


def test_a_secret_may_come_from_a_file_and_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("a-token-from-a-file\n")
    monkeypatch.setenv("LEADFLOW_API_TOKEN_FILE", str(secret))
    monkeypatch.setenv("LEADFLOW_IDENTITY_SECRET", "0123456789abcdef")
    settings = read_settings(ServiceSettings)
    assert settings.api_token.get_secret_value() == "a-token-from-a-file"
    assert redacted(settings)["LEADFLOW_API_TOKEN"] == "**********"


class Inner(BaseModel):
    number: int


class Outer(BaseModel):
    items: list[Inner]


def test_a_document_with_faults_names_file_line_and_place(tmp_path: Path) -> None:
    path = tmp_path / "outer.yaml"
    path.write_text("items:\n  - number: 1\n  - number: many\n")
    with pytest.raises(InvalidDocument, match=r"outer\.yaml:3: items\.1\.number: .*integer"):
        read_yaml(path, Outer)


def test_new_ids_are_version_7_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(3)]
    assert all(one.version == 7 and one.variant == uuid.RFC_4122 for one in ids)
    assert sorted(one.int >> 80 for one in ids) == [one.int >> 80 for one in ids]


def test_new_ids_as_text_are_such_ids_and_never_the_same() -> None:
    before = new_id().int >> 80
    texts = [new_id_text() for _ in range(1_000)]
    ids = [uuid.UUID(text) for text in texts]
    after = new_id().int >> 80
    assert all(
        one.version == 7 and one.variant == uuid.RFC_4122 and str(one) == text
        for one, text in zip(ids, texts, strict=True)
    )
    assert all(before <= one.int >> 80 <= after for one in ids)
    assert len(set(texts)) == len(texts)
    assert {text[19] for text in texts} == set("89ab")
