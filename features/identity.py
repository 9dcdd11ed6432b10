"""Pseudonyms and the identity vault: the only place where a person's name or number can be read again.

The pseudonym key is fixed for the life of a store. The vault's keys may be rotated: the newest encrypts, all decrypt.
No indicator, panel, model or report may import this module (import contract).
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from features.errors import DependencyError, UsageError
from features.project import Project
from features.settings import Home, Settings
from features.staging import flush, locked

PSEUDONYM_LENGTH = 24


def _staged_secret(path: Path, content: str) -> Path:
    """A file beside `path` that never was anybody's but its owner's to read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    staged = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return staged


def secret_file(path: Path, content: str) -> None:
    """Create a key file that only its owner can read; an existing one is left alone."""
    staged = _staged_secret(path, content)
    try:
        os.link(staged, path)  # atomic, and never over a key that another process has just made
        flush(path.parent)
    except (FileExistsError, FileNotFoundError):  # the other process's sweep may have taken ours, once its key stood
        if not path.is_file():
            raise
    finally:
        staged.unlink(missing_ok=True)


def sweep_keys(settings: Settings, home: Home) -> None:
    """Remove what a process that was killed while it made a key left beside it."""
    pseudonyms = settings.pseudonym_key_file or home.keys / "pseudonym.key"
    vault = settings.vault_key_file or home.keys / "vault.key"
    for path in (pseudonyms, vault):
        if path.is_file():
            for staged in path.parent.glob(f".{path.name}-*"):
                staged.unlink(missing_ok=True)


class Pseudonymiser:
    """Keyed HMAC-SHA256 of an identifier under its type, as 24 hexadecimal digits (96 bits)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return f"Pseudonymiser({self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        """Tells keys apart without telling them."""
        return hmac.digest(self._key, b"fingerprint", "sha256").hex()[:16]

    def one(self, identifier_type: str, value: str) -> str:
        """The pseudonym of one identifier."""
        message = f"{identifier_type}|{value}".encode()
        return hmac.digest(self._key, message, "sha256").hex()[:PSEUDONYM_LENGTH]

    def many(self, identifier_type: str, values: pa.Array) -> pa.Array:
        """Pseudonyms of distinct identifiers; missing stays missing."""
        texts = values.to_pylist()
        return pa.array([None if text is None else self.one(identifier_type, text) for text in texts], pa.string())

    def sign(self, text: str) -> str:
        """A code that only this key can make, for example for the rows of a list that goes out and comes back."""
        return hmac.digest(self._key, b"sign|" + text.encode(), "sha256").hex()[:PSEUDONYM_LENGTH]


def open_pseudonymiser(settings: Settings, home: Home) -> Pseudonymiser:
    """The key from the environment, the file that the settings name, or `home/keys`, where it is made at first use.

    Raises:
        UsageError: the key is not 64 hexadecimal digits.
    """
    text = settings.pseudonym_key
    if not text:
        path = settings.pseudonym_key_file or home.keys / "pseudonym.key"
        if not path.is_file():
            if settings.pseudonym_key_file is not None:
                raise UsageError("key_missing", file=path.name)
            secret_file(path, secrets.token_hex(32) + "\n")
        text = path.read_text(encoding="ascii").strip()
    try:
        key = bytes.fromhex(text)
    except ValueError as error:
        raise UsageError("pseudonym_key_wrong") from error
    if len(key) < 32:
        raise UsageError("pseudonym_key_wrong")
    return Pseudonymiser(key)


def _vault_keys(settings: Settings, home: Home) -> tuple[list[str], Path | None]:
    if settings.vault_key:
        return [key.strip() for key in settings.vault_key.split(",") if key.strip()], None
    path = settings.vault_key_file or home.keys / "vault.key"
    if not path.is_file():
        if settings.vault_key_file is not None:
            raise UsageError("key_missing", file=path.name)
        secret_file(path, Fernet.generate_key().decode() + "\n")
    return path.read_text(encoding="ascii").split(), path


def open_cipher(settings: Settings, home: Home) -> MultiFernet:
    """The vault's cipher: the newest key encrypts, all of them decrypt.

    Raises:
        UsageError: a key is not a Fernet key.
    """
    keys, _ = _vault_keys(settings, home)
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except (ValueError, TypeError) as error:
        raise UsageError("vault_key_wrong") from error


class Vault:
    """Encrypted identities of one project: pseudonym and field to value, in SQLite."""

    def __init__(self, folder: Path, cipher: MultiFernet) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / "vault.sqlite"
        self._path.touch(mode=0o600)
        self._cipher = cipher
        with self._open() as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS identity (pseudonym TEXT PRIMARY KEY, identifier_type TEXT NOT NULL, "
                "secret BLOB NOT NULL) WITHOUT ROWID"
            )

    def __repr__(self) -> str:
        return "Vault()"

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self._path, timeout=30)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            database.execute("PRAGMA secure_delete=ON")  # what is erased or replaced leaves no copy in free pages
            with database:
                yield database
        finally:
            database.close()

    def put(self, identities: Iterable[tuple[str, str, dict[str, str]]]) -> int:
        """Keep fields of (pseudonym, identifier type, fields); fields that are there already are replaced."""
        count = 0
        with self._open() as database:
            for pseudonym, identifier_type, fields in identities:
                known = self._read(database, pseudonym)
                if known | fields != known:
                    secret = self._encrypt(known | fields)
                    database.execute("REPLACE INTO identity VALUES (?, ?, ?)", (pseudonym, identifier_type, secret))
                count += 1
        return count

    def reveal(self, pseudonym: str) -> dict[str, str]:
        """The identity behind a pseudonym; empty where the vault does not know it."""
        with self._open() as database:
            return self._read(database, pseudonym)

    def erase(self, pseudonym: str) -> bool:
        """Forget an identity; the household's records stay, under a pseudonym that nobody can resolve any more."""
        with self._open() as database:
            erased = database.execute("DELETE FROM identity WHERE pseudonym = ?", (pseudonym,)).rowcount > 0
        self._empty_log()
        return erased

    def rotate(self) -> int:
        """Encrypt every identity anew with the newest key, in one transaction."""
        with self._open() as database:
            rows = database.execute("SELECT pseudonym, secret FROM identity").fetchall()
            database.executemany(
                "UPDATE identity SET secret = ? WHERE pseudonym = ?",
                [(self._rotated(secret), pseudonym) for pseudonym, secret in rows],
            )
        self._empty_log()
        return len(rows)

    def _empty_log(self) -> None:
        """Fold the write-ahead log into the file, so that no old content stays in it."""
        database = sqlite3.connect(self._path, timeout=30)
        try:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            database.close()

    def _read(self, database: sqlite3.Connection, pseudonym: str) -> dict[str, str]:
        row = database.execute("SELECT secret FROM identity WHERE pseudonym = ?", (pseudonym,)).fetchone()
        if row is None:
            return {}
        try:
            fields: dict[str, str] = json.loads(self._cipher.decrypt(row[0]))
        except InvalidToken as error:
            raise DependencyError("vault_locked") from error
        return fields

    def _rotated(self, secret: bytes) -> bytes:
        try:
            return self._cipher.rotate(secret)
        except InvalidToken as error:
            raise DependencyError("vault_locked") from error

    def _encrypt(self, fields: dict[str, str]) -> bytes:
        return self._cipher.encrypt(json.dumps(fields, ensure_ascii=False, sort_keys=True).encode())


def open_vault(project: Project, settings: Settings) -> Vault:
    """The project's vault."""
    home = Home(settings.home)
    return Vault(home.project(project.name).vault, open_cipher(settings, home))


def rotate_vault(project: Project, settings: Settings, *, dry_run: bool = False) -> int:
    """Put a new key in front of the others and encrypt every identity and quarantined row anew.

    With keys in the environment nothing is added: whoever keeps them puts the new one in front, and this encrypts.
    Old keys stay in the file until an operator removes them.
    """
    home = Home(settings.home)
    keys, path = _vault_keys(settings, home)
    if dry_run:
        with open_vault(project, settings)._open() as database:  # noqa: SLF001 -- same module
            return int(database.execute("SELECT count(*) FROM identity").fetchone()[0])
    from features.feeds.quarantine import Quarantine

    place = home.project(project.name)
    with locked(place.store / "LOCK"):
        if path is not None:
            text = "".join(f"{key}\n" for key in [Fernet.generate_key().decode(), *keys])
            _staged_secret(path, text).rename(path)
            flush(path.parent)
        rotated = open_vault(project, settings).rotate()
        Quarantine(place.quarantine, open_cipher(settings, home)).rotate()
    return rotated
