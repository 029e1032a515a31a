"""A test run takes the first server that works, says why not the others, and takes no other than it was told to."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.support.choice import NotHere, Server, Unusable, Way, choose
from tests.support.provision import BROKER, BROKER_ADDRESS, DATABASE, DATABASE_ADDRESS, Provision
from tests.support.servers import SharedPostgres


def works(name: str) -> Way:
    return Way(name, lambda _: Server(name, f"the {name} one"))


def fails(name: str, why: str) -> Way:
    def refuse(_: ExitStack) -> Server:
        raise NotHere(why)

    return Way(name, refuse)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (BROKER, BROKER_ADDRESS, DATABASE, DATABASE_ADDRESS):
        monkeypatch.delenv(name, raising=False)


def test_the_first_way_that_works_is_taken_and_the_reasons_against_the_earlier_ones_are_kept() -> None:
    ways = [fails("first", "not set"), fails("second", "no engine"), works("third"), works("fourth")]
    with ExitStack() as stack:
        found = choose("broker", ways, "", stack)
    assert found.way == "third"
    assert found.passed_over == ("first: not set", "second: no engine")


def test_what_was_asked_for_is_taken_though_others_come_first() -> None:
    with ExitStack() as stack:
        assert choose("broker", [works("first"), works("second")], "second", stack).way == "second"


def test_what_was_asked_for_and_cannot_be_had_is_not_replaced() -> None:
    with ExitStack() as stack, pytest.raises(Unusable, match="second: no engine"):
        choose("broker", [works("first"), fails("second", "no engine")], "second", stack)


def test_an_unknown_way_is_refused_with_the_known_ones() -> None:
    with ExitStack() as stack, pytest.raises(Unusable, match="there is no broker 'rabbit'; there are first, second"):
        choose("broker", [works("first"), works("second")], "rabbit", stack)


@pytest.mark.usefixtures("alone")
def test_the_embedded_servers_belong_to_each_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BROKER, "embedded")
    monkeypatch.setenv(DATABASE, "embedded")
    provision = Provision(print)
    assert provision.ask("broker").address == provision.ask("database").address == ""
    assert provision.said() == [
        "broker: the embedded broker, one for each worker",
        "database: the embedded PostgreSQL, one for each worker",
    ]


@pytest.mark.usefixtures("alone")
def test_an_address_where_nobody_answers_is_an_error_and_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BROKER_ADDRESS, "127.0.0.1:1")
    monkeypatch.setenv(DATABASE_ADDRESS, "postgresql://somebody:secret@127.0.0.1:1/there")
    provision = Provision(print)
    for _ in range(2):
        with pytest.raises(Unusable, match=f"no Kafka answers at 127.0.0.1:1, which {BROKER_ADDRESS} names"):
            provision.ask("broker")
    with pytest.raises(Unusable, match=DATABASE_ADDRESS) as refused:
        provision.ask("database")
    assert "secret" not in str(refused.value)


@pytest.mark.usefixtures("alone")
def test_when_the_embedded_broker_was_asked_for_no_jars_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BROKER, "embedded")
    with pytest.raises(Unusable, match="LEADFLOW_TEST_BROKER=embedded was asked for"):
        Provision(print).ask("jars")


def test_databases_of_a_shared_server_are_reached_as_its_known_one_is() -> None:
    server = SharedPostgres("postgresql://me:word@host:6000/there?sslmode=require")
    assert server.url("mine") == "postgresql://me:word@host:6000/mine?sslmode=require"
    assert server.url("postgres") == "postgresql://me:word@host:6000/there?sslmode=require"
