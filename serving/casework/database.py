"""The case database: SQLite in the home by default, PostgreSQL where the settings name one.

There is one writer at a time on both. SQLite has it so; on PostgreSQL a writing transaction takes an advisory lock
first. The audit log is one chain, so that writers would wait for each other anyway; taking the lock at the beginning
leaves no way to a deadlock and gives both databases the same meaning. Readers never wait.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool, QueuePool

from features.errors import DependencyError, NothingToDo, UsageError
from features.settings import ProjectHome, Settings

FILE = "cases.sqlite"
BUSY_SECONDS = 30
KEPT, MOST_OPEN = 10, 50
"""Connections that a server of pages keeps, and has at most; its threads are 40."""
_LOCK = 0x7A686F75  # any number that no other application of the same database uses
_READING = "casework_reading"


@dataclass(frozen=True)
class Step:
    """One version of the schema."""

    revision: str
    title: str


@dataclass(frozen=True)
class Schema:
    """Where the schema is and where it can go; `current` is empty for a new database."""

    current: str
    target: str
    steps: tuple[Step, ...]

    @property
    def ready(self) -> bool:
        """Whether the code can work with it."""
        return self.current == self.target


class Database:
    """The cases of one project."""

    def __init__(self, url: str, *, serving: bool = False) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise UsageError("case_database_url") from error
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.sqlite = parsed.get_backend_name() == "sqlite"
        if not self.sqlite and parsed.get_backend_name() != "postgresql":
            raise UsageError("case_database_url")
        options: dict[str, Any] = {"pool_pre_ping": True}
        if self.sqlite:
            # a command opens the file when it needs it; a server of pages keeps it open
            options = {"connect_args": {"timeout": BUSY_SECONDS}, "poolclass": QueuePool if serving else NullPool}
        if serving:
            options |= {"pool_size": KEPT, "max_overflow": MOST_OPEN - KEPT}
        self.engine: Engine = create_engine(parsed, **options)
        if self.sqlite:
            event.listen(self.engine, "connect", _open_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._ready = False
        self._look = threading.local()

    def __repr__(self) -> str:
        return f"Database({self.engine.dialect.name})"

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that writes: all of it or nothing.

        Raises:
            DependencyError: the database does not answer, or its schema is not the code's.
        """
        if self._held is not None:
            raise RuntimeError("who looks holds a connection, and must not wait for the writers' lock with it")
        with self._session() as session, session.begin():
            if not self.sqlite:
                session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent look; inside `together`, the one that goes on."""
        if self._held is not None:
            yield self._held
            return
        with self._session(**{_READING: True}) as session:
            yield session

    @contextmanager
    def together(self) -> Iterator[None]:
        """All looks of this thread inside are one: one connection, one state. Nothing may be written inside."""
        with self.reading() as session:
            outer, self._look.session = self._held, session
            try:
                yield
            finally:
                self._look.session = outer

    @property
    def _held(self) -> Session | None:
        """The look that goes on in this thread."""
        return getattr(self._look, "session", None)

    @contextmanager
    def _session(self, **options: object) -> Iterator[Session]:
        self._check()
        options["isolation_level"] = "REPEATABLE READ" if options and not self.sqlite else None
        chosen = {key: value for key, value in options.items() if value is not None}
        try:
            with Session(self.engine.execution_options(**chosen), expire_on_commit=False) as session:
                yield session
        except OperationalError as error:
            raise DependencyError("case_database_silent") from error

    def _check(self) -> None:
        if not self._ready:
            schema = self.schema()
            if not schema.ready:
                raise DependencyError("case_database_schema", current=schema.current or "—", target=schema.target)
            self._ready = True

    # --- schema -----------------------------------------------------------------------------------------------------

    def schema(self) -> Schema:
        """Where the schema is.

        Raises:
            DependencyError: the database does not answer.
        """
        scripts = ScriptDirectory.from_config(_config())
        with self._connected() as connection:
            current = MigrationContext.configure(connection).get_current_revision() or ""
        known = [script.revision for script in scripts.walk_revisions()]
        if current and current not in known:
            raise DependencyError("case_database_newer", current=current)
        steps = [Step(s.revision, s.doc) for s in scripts.iterate_revisions("heads", current or "base")]
        return Schema(current, scripts.get_current_head() or "", tuple(reversed(steps)))

    def migrate(self, direction: str = "up", to: str | None = None, *, dry_run: bool = False) -> Schema:
        """Bring the schema up to a version, or down.

        Args:
            direction: `up` or `down`.
            to: revision; the newest for up, nothing at all for down.
            dry_run: say the steps, change nothing.

        Returns:
            Where the schema was, and the steps.

        Raises:
            NothingToDo: it is there already.
            UsageError: there is no such revision.
        """
        scripts = ScriptDirectory.from_config(_config())
        known = [script.revision for script in scripts.walk_revisions()]
        if to is not None and to not in (*known, "base"):
            raise UsageError("case_revision_unknown", revision=to, known=", ".join(reversed(known)))
        before = self.schema()
        wanted = to or ("head" if direction == "up" else "base")
        steps = _steps(scripts, before.current, wanted, direction)
        if not steps:
            raise NothingToDo("case_schema_there", revision=before.current or "—")
        if not dry_run:
            with self._connected() as connection, connection.begin():
                config = _config()
                config.attributes["connection"] = connection
                (command.upgrade if direction == "up" else command.downgrade)(config, wanted)
            self._ready = False
        target = wanted if wanted not in ("head", "base") else (before.target if wanted == "head" else "")
        return Schema(before.current, target, tuple(steps))

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        try:
            with self.engine.connect() as connection:
                yield connection
        except (OperationalError, DBAPIError) as error:
            raise DependencyError("case_database_silent") from error


def _steps(scripts: ScriptDirectory, current: str, wanted: str, direction: str) -> list[Step]:
    if direction == "up":
        found = reversed(list(scripts.iterate_revisions("heads" if wanted == "head" else wanted, current or "base")))
    else:
        found = iter(scripts.iterate_revisions(current, wanted)) if current else iter(())
    return [Step(script.revision, script.doc) for script in found]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _open_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READING)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def open_database(settings: Settings, home: ProjectHome, *, serving: bool = False) -> Database:
    """The database that the settings name, or SQLite in the project's home, for its owner's eyes only."""
    if settings.database:
        return Database(settings.database, serving=serving)
    home.casework.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = home.casework / FILE
    path.touch(mode=0o600)
    return Database(f"sqlite:///{path}", serving=serving)


def there(settings: Settings, home: ProjectHome) -> bool:
    """Whether there is a case database at all; nothing is made by asking."""
    return bool(settings.database) or (home.casework / FILE).is_file()


def changes_nothing(tables: Sequence[str], *, sqlite: bool) -> list[str]:
    """Statements that make the database refuse changes and removals in tables that only grow."""
    made: list[str] = []
    if not sqlite:
        made.append(
            "CREATE FUNCTION casework_refuse() RETURNS trigger AS "
            "$$ BEGIN RAISE EXCEPTION 'rows of this table only ever come'; END $$ LANGUAGE plpgsql"
        )
    for table in tables:
        if sqlite:
            made += [
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'rows of this table only ever come'); END"
                for change in ("UPDATE", "DELETE")
            ]
        else:
            made += [
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} FOR EACH {each} "
                "EXECUTE FUNCTION casework_refuse()"
                for change, each in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT"))
            ]
    return made
