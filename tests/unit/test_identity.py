"""Keys, pseudonyms and the vault: nothing secret is readable, and nothing is lost when keys change."""

from __future__ import annotations

import dataclasses
import json
import stat
from datetime import date

import pyarrow as pa
import pytest
from cryptography.fernet import Fernet

from features.errors import DependencyError, UsageError, ZhoujiError
from features.identity import (
    Pseudonymiser,
    Vault,
    open_cipher,
    open_pseudonymiser,
    open_vault,
    rotate_vault,
    sweep_keys,
)
from features.ingestion import ingest, open_quarantine
from features.settings import Home, Settings
from tests.departments import deliver, tiny_project

KEY, OTHER = "ab" * 32, "cd" * 32
NAME, NUMBER = "张三丰", "110101199001011234"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def plain(tmp_path):
    return Settings(home=tmp_path / "home", threads=1)


@pytest.fixture
def home(plain):
    return Home(plain.home)


# --- keys -----------------------------------------------------------------------------------------------------------


def test_keys_are_made_once_and_are_their_owners_alone(plain, home):
    first = open_pseudonymiser(plain, home).fingerprint
    open_cipher(plain, home)
    assert open_pseudonymiser(plain, home).fingerprint == first
    assert [mode(home.keys / name) for name in ("pseudonym.key", "vault.key")] == [0o600, 0o600]
    assert mode(home.keys) == 0o700
    assert sorted(path.name for path in home.keys.iterdir()) == ["pseudonym.key", "vault.key"]


def test_a_key_in_the_environment_is_not_written_down(plain, home):
    settings = dataclasses.replace(plain, pseudonym_key=KEY, vault_key=Fernet.generate_key().decode())
    open_pseudonymiser(settings, home)
    open_cipher(settings, home)
    assert not home.keys.exists()


def test_a_key_file_is_read_and_never_made(plain, home, tmp_path):
    path = tmp_path / "given.key"
    settings = dataclasses.replace(plain, pseudonym_key_file=path)
    with pytest.raises(UsageError) as caught:
        open_pseudonymiser(settings, home)
    assert (caught.value.code, path.exists()) == ("key_missing", False)
    path.write_text(KEY + "\n")
    assert open_pseudonymiser(settings, home).fingerprint == Pseudonymiser(bytes.fromhex(KEY)).fingerprint


@pytest.mark.parametrize("text", ["abc", "zz" * 32, "ab" * 31])
def test_a_wrong_pseudonym_key_is_named_and_not_shown(plain, home, text):
    with pytest.raises(UsageError) as caught:
        open_pseudonymiser(dataclasses.replace(plain, pseudonym_key=text), home)
    assert caught.value.code == "pseudonym_key_wrong"
    assert text not in str(caught.value)


def test_a_wrong_vault_key_is_named_and_not_shown(plain, home):
    with pytest.raises(UsageError) as caught:
        open_cipher(dataclasses.replace(plain, vault_key="not-a-fernet-key"), home)
    assert caught.value.code == "vault_key_wrong"
    assert "not-a-fernet-key" not in str(caught.value)


def test_what_a_killed_process_left_beside_its_key_is_removed(plain, home):
    open_pseudonymiser(plain, home)
    (home.keys / ".pseudonym.key-0123").write_text(OTHER)
    sweep_keys(plain, home)
    assert [path.name for path in home.keys.iterdir()] == ["pseudonym.key"]


# --- pseudonyms -----------------------------------------------------------------------------------------------------


def test_pseudonyms_depend_on_type_text_and_key():
    one, other = Pseudonymiser(bytes.fromhex(KEY)), Pseudonymiser(bytes.fromhex(OTHER))
    found = {
        one.one("person", NUMBER),
        one.one("household", NUMBER),
        one.one("person", NAME),
        other.one("person", NUMBER),
    }
    assert len(found) == 4
    assert all(len(text) == 24 and int(text, 16) >= 0 for text in found)
    assert one.many("person", pa.array([NUMBER, None])).to_pylist() == [one.one("person", NUMBER), None]
    assert one.sign(NUMBER) not in found


def test_another_key_on_the_same_store_is_refused(plain, home, tmp_path):
    project = tiny_project(tmp_path)
    bill = {"number": 1, "person": NUMBER, "day": "2020-01-05", "amount": 1}
    first = dataclasses.replace(plain, pseudonym_key=KEY)
    ingest(deliver(tmp_path / "1.csv", [bill]), project, first, feed="bills", received_on=date(2020, 2, 1))
    second = dataclasses.replace(plain, pseudonym_key=OTHER)
    with pytest.raises(UsageError) as caught:
        ingest(
            deliver(tmp_path / "2.csv", [{**bill, "number": 2}]),
            project,
            second,
            feed="bills",
            received_on=date(2020, 2, 2),
        )
    assert caught.value.code == "pseudonym_key_other"
    assert OTHER not in str(caught.value)


# --- the vault ------------------------------------------------------------------------------------------------------


def contents(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_the_vault_keeps_reveals_and_forgets(tmp_path):
    vault = Vault(tmp_path / "vault", open_cipher(Settings(home=tmp_path), Home(tmp_path)))
    assert vault.put([("p", "person", {"name": NAME}), ("q", "person", {"name": "李四"})]) == 2
    vault.put([("p", "person", {"number": NUMBER})])
    assert vault.reveal("p") == {"name": NAME, "number": NUMBER}
    assert vault.reveal("nobody") == {}
    kept = contents(tmp_path / "vault")
    assert NAME.encode() not in kept
    assert NUMBER.encode() not in kept
    assert {mode(path) for path in (tmp_path / "vault").iterdir()} == {0o600}
    assert (vault.erase("p"), vault.erase("p"), vault.reveal("p")) == (True, False, {})
    assert vault.reveal("q") == {"name": "李四"}


def test_what_is_erased_leaves_no_copy(tmp_path):
    vault = Vault(tmp_path / "vault", open_cipher(Settings(home=tmp_path), Home(tmp_path)))
    vault.put([("p", "person", {"name": NAME})])
    with vault._open() as database:
        secret = bytes(database.execute("SELECT secret FROM identity").fetchone()[0])
    vault.erase("p")
    assert secret not in contents(tmp_path / "vault")


def test_other_keys_do_not_open_the_vault_and_say_so(tmp_path):
    settings = Settings(home=tmp_path)
    Vault(tmp_path / "vault", open_cipher(settings, Home(tmp_path))).put([("p", "person", {"name": NAME})])
    other = dataclasses.replace(settings, vault_key=Fernet.generate_key().decode())
    vault = Vault(tmp_path / "vault", open_cipher(other, Home(tmp_path)))
    for act in (lambda: vault.reveal("p"), vault.rotate):
        with pytest.raises(DependencyError) as caught:
            act()
        assert caught.value.code == "vault_locked"


def delivered(tmp_path, plain):
    """A home with an identity in the vault and a row in the quarantine."""
    project = tiny_project(tmp_path)
    good = {
        "household": NUMBER,
        "area": "n",
        "since": "2020-01-01",
        "category": "",
        "name": NAME,
        "phone": "13800000000",
    }
    bad = {**good, "household": NUMBER[::-1], "category": "wrong"}
    path = deliver(tmp_path / "register.csv", [good, bad])
    receipt = ingest(path, project, plain, feed="register", received_on=date(2020, 2, 1))
    assert receipt.quarantined == 1
    return project


def test_nothing_personal_is_readable_anywhere_in_the_home(tmp_path, plain, home):
    project = delivered(tmp_path, plain)
    kept = contents(plain.home)
    for text in (NAME, NUMBER, NUMBER[::-1], "13800000000"):
        assert text.encode() not in kept
    who = open_pseudonymiser(plain, home).one("household", NUMBER)
    assert open_vault(project, plain).reveal(who) == {"name": NAME, "number": NUMBER, "phone": "13800000000"}
    [entry] = open_quarantine(project, plain).entries()
    assert entry.original["household"] == NUMBER[::-1]
    assert {mode(path) for path in home.project("tiny").quarantine.rglob("*.enc")} == {0o600}


def test_rotation_keeps_everything_and_lets_the_old_key_go(tmp_path, plain, home):
    project = delivered(tmp_path, plain)
    before = (home.keys / "vault.key").read_text().split()
    assert rotate_vault(project, plain, dry_run=True) == 1
    assert (home.keys / "vault.key").read_text().split() == before
    assert rotate_vault(project, plain) == 1
    keys = (home.keys / "vault.key").read_text().split()
    assert (len(keys), keys[1:], mode(home.keys / "vault.key")) == (2, before, 0o600)
    (home.keys / "vault.key").write_text(keys[0] + "\n")  # the operator removes the old key
    who = open_pseudonymiser(plain, home).one("household", NUMBER)
    assert open_vault(project, plain).reveal(who)["name"] == NAME
    assert [entry.original["name"] for entry in open_quarantine(project, plain).entries()] == [NAME]


def test_rotation_with_keys_in_the_environment(tmp_path, plain):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    project = delivered(tmp_path, dataclasses.replace(plain, vault_key=old))
    rotate_vault(project, dataclasses.replace(plain, vault_key=f"{new}, {old}"))
    newest = dataclasses.replace(plain, vault_key=new)
    assert [entry.original["name"] for entry in open_quarantine(project, newest).entries()] == [NAME]


def test_nothing_secret_is_shown(tmp_path, plain, home):
    settings = dataclasses.replace(plain, pseudonym_key=KEY, vault_key=Fernet.generate_key().decode())
    secret = open_pseudonymiser(settings, home)
    vault = Vault(tmp_path / "vault", open_cipher(settings, home))
    for shown in (repr(settings), repr(secret), repr(vault), secret.fingerprint):
        assert KEY not in shown
        assert settings.vault_key not in shown


def test_a_rejected_row_does_not_speak_in_receipts_or_messages(tmp_path, plain):
    project = tiny_project(tmp_path)
    row = {"number": 1, "person": NUMBER, "day": "yesterday", "amount": NAME}
    receipt = ingest(deliver(tmp_path / "1.csv", [row]), project, plain, feed="bills", received_on=date(2020, 2, 1))
    rows = open_quarantine(project, plain).rows()
    said = json.dumps([receipt.as_dict(), rows], ensure_ascii=False, default=str)
    assert receipt.quarantined == 1
    assert NUMBER not in said
    assert NAME not in said
    with pytest.raises(ZhoujiError) as caught:
        ingest(deliver(tmp_path / "2.csv", [row]), project, plain, feed="absent", received_on=date(2020, 2, 1))
    assert NUMBER not in str(caught.value)
