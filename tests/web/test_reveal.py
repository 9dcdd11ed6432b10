"""Who is behind a code: in two steps, once, in no cache, log, error or audit line."""

from __future__ import annotations

import json
import logging

import pytest

from features.identity import open_vault
from serving.casework import actions as a
from serving.casework.keeping import lines
from serving.casework.revealing import revealing
from serving.web import accounts
from serving.web.office import Office
from tests.casework.desks import OTHER_TOWN, household, opened
from tests.casework.made import TOWN, VILLAGE, VILLAGE_AREA
from tests.web.offices import PASSWORD, signed_in

SECRET = {"name": "赵某某", "phone": "29911112222", "address": "虚拟路 3 号", "identity_number": "990000199001010011"}
PATH = f"/households/{household(0)}/reveal"
ASKED = {"reason": "visit", "words": "明天上午入户走访"}


@pytest.fixture
def vault(office: Office) -> Office:
    case = opened(office.desk, 2)[0]
    office.desk.act(a.Assign(by=TOWN, to=VILLAGE), case.case_id, 0)
    open_vault(office.project, office.settings).put([(case.household_id, "household_number", SECRET)])
    return office


def test_an_identity_is_shown_once_and_kept_nowhere(vault: Office, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    visitor = signed_in(vault, "v1")
    page = visitor.get(PATH)
    assert page.status_code == 200 and not any(value in page.text for value in SECRET.values())
    assert visitor.post(PATH, PATH, reason="visit", words="").status_code == 422
    answer = visitor.post(PATH, PATH, **ASKED)
    assert answer.status_code == 200 and all(value in answer.text for value in SECRET.values())
    assert "no-store" in answer.headers["cache-control"]
    assert "赵某某" not in visitor.get(PATH).text
    assert "赵某某" not in visitor.get(f"/households/{household(0)}").text
    visitor.post(PATH, PATH, reason="phone", words="打电话给赵某某约时间")
    with vault.desk.database.reading() as session:
        told = list(lines(session))
    shown = [json.loads(line.detail) for line in told if line.kind == "reveal"]
    assert [one["reason"] for one in shown] == ["visit", "phone"] and shown[0]["words"] == ASKED["words"]
    everything = "".join(str(line.plain()) for line in told) + caplog.text
    assert not any(value in everything for value in SECRET.values())


def test_whoever_has_not_the_case_in_hand_learns_nothing_not_even_whether_there_is_one(vault: Office) -> None:
    accounts.create(vault.desk, "v2", name="x", role="village", area=VILLAGE_AREA, password=PASSWORD)
    accounts.create(vault.desk, "t2", name="x", role="town", area=OTHER_TOWN, password=PASSWORD)
    for who in ("v2", "t2", "c1"):
        other = signed_in(vault, who)
        for path in (PATH, f"/households/{household(99)}/reveal"):
            refused = other.get(path)
            assert refused.status_code == 403 and other.post(path, **ASKED).status_code == 403
            assert "赵某某" not in refused.text
        assert other.get(PATH).text.replace(household(0), household(99)) == other.get(f"/households/{household(99)}/reveal").text  # fmt: skip
    for who in ("s1", "x1", "u1", "a1", "d1"):
        assert signed_in(vault, who).post(PATH, **ASKED).status_code == 403


def test_too_many_looks_are_refused_and_a_locked_vault_says_nothing(vault: Office, monkeypatch) -> None:
    visitor = signed_in(vault, "t1")
    for _ in range(revealing().most):
        assert visitor.post(PATH, PATH, **ASKED).status_code == 200
    answer = visitor.post(PATH, PATH, **ASKED)
    assert answer.status_code == 403 and "已到上限" in answer.text and "赵某某" not in answer.text

    def broken(*_: object) -> None:
        raise ValueError(str(SECRET))

    monkeypatch.setattr("features.identity.Vault.reveal", broken)
    answer = signed_in(vault, "v1").post(PATH, PATH, **ASKED)
    assert answer.status_code == 500 and "赵某某" not in answer.text
