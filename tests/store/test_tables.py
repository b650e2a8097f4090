"""The tables are those that users' dashboards are written against."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Engine, create_mock_engine, insert, select, text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.schema import CreateTable

from aibridge.store.engine import open_sync_engine
from aibridge.store.tables import UTCDateTime, instances, interceptions, metadata, tool_usages
from tests.databases import Database

POSTGRESQL = create_mock_engine("postgresql://", lambda *_: None).dialect

COLUMNS = {
    "aibridge_interceptions": "id initiator_id api_key_id provider provider_name route model streaming client"
    " user_agent client_session_id correlating_tool_call_id thread_parent_id thread_root_id credential_kind"
    " credential_hint metadata rounds started_at ended_at status error_type error_message instance_id"
    " input_tokens output_tokens cache_read_input_tokens cache_write_input_tokens cost_micros unpriced took_ms",
    "aibridge_token_usages": "id interception_id provider_response_id input_tokens output_tokens"
    " cache_read_input_tokens cache_write_input_tokens metadata created_at cost_micros price",
    "aibridge_user_prompts": "id interception_id provider_response_id prompt metadata created_at",
    "aibridge_tool_usages": "id interception_id provider_response_id provider_tool_call_id tool server_url input"
    " injected invocation_error completed_at metadata created_at server",
    "aibridge_model_thoughts": "id interception_id content metadata created_at",
    "aibridge_keys": "id actor role hash hint metadata created_at revoked_at last_used_at",
    "aibridge_instances": "id host pid started_at heartbeat_at",
    "aibridge_tool_pins": "server tool hash definition first_seen_at approved_at "
    "changed_hash changed_definition changed_at",
    "aibridge_budgets": "limit_name quantity actor began_at spent reserved",
    "aibridge_hidden_turns": "actor provider key turn_id content created_at expires_at",
}


@pytest.fixture
def engine(database: Database) -> Any:
    engine = open_sync_engine(database.url)
    yield engine
    engine.dispose()


def an_instance(started_at: datetime) -> dict[str, Any]:
    return {"id": "i", "host": "h", "pid": 1, "started_at": started_at, "heartbeat_at": started_at}


def test_names_are_kept() -> None:
    found = {table.name: " ".join(column.name for column in table.columns) for table in metadata.sorted_tables}
    assert found == COLUMNS


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_every_column_says_what_it_is(table: Any) -> None:
    assert [column.name for column in table.columns if not column.doc] == []
    assert table.info["doc"].endswith(".")


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_postgresql_has_all_the_types(table: Any) -> None:
    ddl = str(CreateTable(table).compile(dialect=POSTGRESQL))
    assert "DATETIME" not in ddl
    assert "_at TIMESTAMP WITH TIME ZONE" in ddl


def test_times_come_back_in_utc_to_the_microsecond(engine: Engine, database: Database) -> None:
    noon_in_delhi = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    with engine.begin() as connection:
        connection.execute(insert(instances).values(an_instance(noon_in_delhi)))
        stored = connection.execute(select(instances.c.started_at)).scalar_one()
    [raw] = database.query("SELECT started_at FROM aibridge_instances")
    assert stored == noon_in_delhi
    assert stored.tzinfo is UTC
    assert raw == {"started_at": "2026-11-20 06:30:00.123456"}


@pytest.mark.only_on("sqlite")
def test_whole_seconds_have_the_same_form_so_that_times_sort_as_text(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(instances).values(an_instance(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))))
        raw = connection.execute(text("SELECT started_at FROM aibridge_instances")).scalar_one()
    assert raw == "2026-01-02 03:04:05.000000"


def test_a_time_without_a_zone_is_refused(engine: Engine) -> None:
    naive = datetime(2026, 1, 2)  # noqa: DTZ001  what is refused here
    with engine.begin() as connection, pytest.raises(StatementError, match="use an aware time"):
        connection.execute(insert(instances).values(an_instance(naive)))


def test_postgresql_gets_and_gives_aware_times() -> None:
    kind, dialect = UTCDateTime(), POSTGRESQL
    local = datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=1)))
    process = kind.bind_processor(dialect)
    assert process is not None
    assert str(process(local)) == "2026-01-02 02:00:00+00:00"
    assert process(None) is None
    assert str(kind.process_result_value(local, dialect)) == "2026-01-02 02:00:00+00:00"


def test_no_time_is_no_time(engine: Engine) -> None:
    with engine.begin() as connection:
        add_interception(connection, ended_at=None)
        assert connection.execute(select(interceptions.c.ended_at)).scalar_one() is None


def add_interception(connection: Any, **more: object) -> None:
    names = ("id", "initiator_id", "provider", "provider_name", "route", "model", "client", "credential_kind")
    row = dict.fromkeys(names, "x") | {"streaming": True, "rounds": 0, "started_at": datetime.now(UTC)}
    connection.execute(insert(interceptions).values(row | more))


def add_call(connection: Any, interception_id: str) -> None:
    row = {"id": "c", "interception_id": interception_id, "provider_tool_call_id": "p", "tool": "t", "injected": True}
    connection.execute(insert(tool_usages).values(row | {"created_at": datetime.now(UTC), "input": {"a": 10**30}}))


def test_records_go_with_their_interception(engine: Engine) -> None:
    with engine.begin() as connection:
        add_interception(connection)
        add_call(connection, "x")
        assert connection.execute(select(tool_usages.c.input)).scalar_one() == {"a": 10**30}
        connection.execute(interceptions.delete())
        assert connection.execute(select(tool_usages)).all() == []


def test_no_record_belongs_to_nothing(engine: Engine) -> None:
    with pytest.raises(IntegrityError), engine.begin() as connection:
        add_call(connection, "nobody")
