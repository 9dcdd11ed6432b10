"""What the service answers over HTTP, held against the weekly run, the bundle and the store."""

from __future__ import annotations

import json
import math

import httpx
import numpy as np
import pytest

from features.calendar import Period, period_index
from serving.access.roles import REFUSED
from serving.runs import RunFolder
from tests.served import BEFORE, CHANGEABLE, COUNTY, DAY, Made, headers, no_secrets

WEEK = str(Period("week", period_index("week", DAY)))


@pytest.fixture(scope="module")
def bundle(made: Made):
    return made.world.registry.fetch(made.world.project.name, made.world.task)[1]


@pytest.fixture(scope="module")
def listed(made: Made):
    return RunFolder(made.runs[1].folder).households()


def post(client: httpx.Client, path: str, token: str, body: object, **more: str) -> httpx.Response:
    return client.post(f"/api/v1/{path}", json=body, headers=headers(token, **more))


def row(bundle, value: float | None = 1.0) -> dict[str, float | None]:
    return dict.fromkeys(bundle.needed, value)


def test_every_answer_says_where_it_comes_from(client, county, made, bundle, listed):
    household = listed[0]["household_id"]
    answers = [
        post(client, "score", county, {"as_of": str(DAY), "rows": [row(bundle)]}),
        post(client, "score", county, {"as_of": str(DAY), "households": [household]}),
        post(client, "explain", county, {"as_of": str(DAY), "households": [household]}),
        post(client, "counterfactual", county, {"as_of": str(DAY), "household": household, "scenarios": [{"changes": {CHANGEABLE[0]: 0}}]}),
        client.get("/api/v1/models/current", headers=headers(county)),
        client.get(f"/api/v1/weeks/{WEEK}/items", headers=headers(county)),
        client.get(f"/api/v1/households/{household}", headers=headers(county)),
    ]  # fmt: skip
    for answer in answers:
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["model"]["version"] == "1"
        assert told["model"]["bundle"] == bundle.digest
        assert told["data_day"] == str(DAY)
        assert "run_id" in told
        assert isinstance(told["gaps"], list)
        assert "提醒，不是认定" in told["note"]["zh"]
        assert "reminder" in told["note"]["en"]
        assert answer.headers["x-request-id"]
    assert answers[1].json()["run_id"] == made.runs[1].run_id
    assert answers[0].json()["run_id"] is None


def test_rows_are_scored_as_the_bundle_scores_them(client, county, bundle):
    random = np.random.default_rng(0)
    rows = [
        {name: None if random.random() < 0.2 else float(random.normal(0, 100)) for name in bundle.needed}
        for _ in range(300)
    ]
    answer = post(client, "score", county, {"as_of": str(DAY), "rows": rows}).json()["results"]
    matrix = np.array([[np.nan if r[name] is None else r[name] for name in bundle.schema.ids] for r in rows])
    expected = bundle.probabilities(bundle.margins(matrix))
    assert [one["probability"] for one in answer] == expected.tolist()
    assert all(one["range"][0] <= one["probability"] <= one["range"][1] for one in answer)
    single = post(client, "score", county, {"as_of": str(DAY), "rows": rows[:1], "reasons": 4}).json()["results"][0]
    assert single["probability"] == expected[0]
    assert len(single["reasons"]) <= 4


def test_too_little_data_is_no_low_score(client, county, bundle):
    answer = post(client, "score", county, {"as_of": str(DAY), "rows": [row(bundle, None)]}).json()["results"][0]
    assert (answer["status"], answer["level"], answer["probability"]) == ("insufficient", "insufficient", None)
    assert "走访" in answer["advice"]["zh"]


def test_a_household_is_scored_as_in_the_weekly_run(client, county, made):
    scores = RunFolder(made.runs[1].folder).scores()
    wanted = scores["household_id"].tolist()[:100]
    answer = post(client, "score", county, {"as_of": str(DAY), "households": wanted, "reasons": 4}).json()["results"]
    for one, expected in zip(answer, scores.head(100).to_dict("records"), strict=True):
        assert one["household_id"] == expected["household_id"]
        assert one["level"] == expected["level"]
        assert one["probability"] == (None if math.isnan(expected["probability"]) else expected["probability"])
    assert any(one["reasons"] for one in answer)
    earlier = post(client, "score", county, {"as_of": str(BEFORE), "households": wanted[:1]}).json()
    assert earlier["run_id"] == made.runs[0].run_id


def test_a_household_in_hardship_and_one_that_nobody_knows(client, county, made):
    from features.engines.duckdb import engine
    from features.panel import build

    world = made.world
    with engine(world.settings) as opened:
        everybody = set(build(world.project, world.store, [DAY], engine=opened).read([DAY])["household_id"])
    hard = sorted(everybody - set(RunFolder(made.runs[1].folder).scores()["household_id"]))[0]
    answer = post(client, "score", county, {"as_of": str(DAY), "households": [hard, "0" * 24]}).json()["results"]
    assert [one["status"] for one in answer] == ["in_hardship", "unknown"]
    assert answer[0]["probability"] is None
    assert post(client, "score", county, {"as_of": str(DAY), "households": ["0" * 24]}).status_code == 404


def test_a_day_without_a_panel_names_those_that_have_one(client, county, listed):
    answer = post(client, "score", county, {"as_of": "2019-01-06", "households": [listed[0]["household_id"]]})
    assert answer.status_code == 409
    assert str(DAY) in answer.json()["days"]
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_explanation_is_exact_and_stands_on_records(client, county, listed, bundle):
    wanted = max(listed, key=lambda one: one["probability"] or 0)
    answer = post(client, "explain", county, {"as_of": str(DAY), "households": [wanted["household_id"]]}).json()
    told = answer["results"][0]
    assert told["base"] + sum(one["contribution"] for one in told["contributions"]) == pytest.approx(told["margin"])
    assert float(bundle.probabilities(np.array([told["margin"]]))[0]) == pytest.approx(told["probability"])
    assert told["reasons"] == wanted["reasons"]
    asked = {"as_of": str(DAY), "households": [one["household_id"] for one in listed[:8]]}
    several = post(client, "explain", county, asked).json()["results"]
    assert any(reason["record"] for one in several for reason in one["reasons"] + one["relief"])
    assert all(reason["sentence"]["zh"] and reason["sentence"]["en"] for reason in told["reasons"])
    rows = post(client, "explain", county, {"as_of": str(DAY), "rows": [dict.fromkeys(bundle.needed, 1.0)]}).json()
    assert len(rows["results"][0]["contributions"]) == len(bundle.schema.ids)


def test_scenarios_change_only_what_help_can_change(client, county, listed, bundle):
    household = max(listed, key=lambda one: one["probability"] or 0)["household_id"]
    body = {"as_of": str(DAY), "household": household, "scenarios": [{"changes": {name: 0.0}} for name in CHANGEABLE]}
    answer = post(client, "counterfactual", county, body).json()
    assert answer["label"]["zh"] == "推算，不是承诺。"
    assert answer["changeable"] == [name for name in bundle.schema.ids if name in CHANGEABLE]
    assert len(answer["scenarios"]) == 2
    other = next(name for name in bundle.needed if name not in CHANGEABLE)
    refused = post(client, "counterfactual", county, {**body, "scenarios": [{"changes": {other: 0.0}}]})
    assert (refused.status_code, refused.json()["code"]) == (422, "not_changeable")


def test_a_list_is_read_in_parts(client, county, listed):
    seen, after = [], {}
    while True:
        answer = client.get(f"/api/v1/weeks/{WEEK}/items", params={"limit": 7, **after}, headers=headers(county)).json()
        seen += answer["items"]
        if answer["next"] is None:
            break
        after = {"after": answer["next"]}
    assert [one["household_id"] for one in seen] == [one["household_id"] for one in listed]
    assert [one["reasons"] for one in seen] == [one["reasons"] for one in listed]
    assert not {"kind", "selection_probability", "stratum"} & set(seen[0])
    wrong = client.get(f"/api/v1/weeks/{WEEK}/items", params={"after": "eHh4LjE"}, headers=headers(county))
    assert (wrong.status_code, wrong.json()["code"]) == (409, "cursor_wrong")
    assert client.get("/api/v1/weeks/2001-W01/items", headers=headers(county)).status_code == 404
    part = client.get(f"/api/v1/weeks/{WEEK}/items", params={"area": COUNTY}, headers=headers(county)).json()["items"]
    assert {one["area_code"][:6] for one in part} == {COUNTY}


def test_a_visitor_sees_no_score_before_the_visit(client, made, listed):
    token = made.token(COUNTY, "village")
    answer = client.get(f"/api/v1/weeks/{WEEK}/items", headers=headers(token)).json()
    for one in answer["items"]:
        told = {name for name, value in one.items() if value not in (None, [])}
        assert told == {"household_id", "area_code", "situation", "row_code"}
    order = [(one["area_code"], one["household_id"]) for one in answer["items"]]
    assert order == sorted(order)
    household = client.get(f"/api/v1/households/{order[0][1]}", headers=headers(token)).json()
    assert {week["level"] for week in household["weeks"]} == {None}
    assert client.get(f"/api/v1/weeks/{WEEK}/items?level=red", headers=headers(token)).status_code == 403


def test_a_household_over_the_weeks(client, county, listed, made):
    household = listed[0]["household_id"]
    first = client.get(f"/api/v1/households/{household}", params={"limit": 1}, headers=headers(county)).json()
    assert [week["run_id"] for week in first["weeks"]] == [made.runs[1].run_id]
    rest = client.get(
        f"/api/v1/households/{household}", params={"after": first["next"]}, headers=headers(county)
    ).json()
    assert [week["run_id"] for week in rest["weeks"]] == [made.runs[0].run_id]
    assert rest["next"] is None
    assert client.get(f"/api/v1/households/{'0' * 24}", headers=headers(county)).status_code == 404


def test_a_purpose_must_bring_help(client, county, bundle):
    body = {"as_of": str(DAY), "rows": [row(bundle)]}
    assert post(client, "score", county, body, purpose="aid").status_code == 200
    for purpose in ("reduce", "refuse", "police", "Fraud"):
        refused = post(client, "score", county, body, purpose=purpose)
        assert (refused.status_code, refused.json()["code"]) == (403, "purpose_refused")
    assert post(client, "score", county, body, purpose="curiosity").status_code == 403
    missing = client.post("/api/v1/score", json=body, headers={"authorization": f"Bearer {county}"})
    assert (missing.status_code, missing.json()["code"]) == (400, "purpose_missing")
    english = post(client, "score", county, body, purpose="police", **{"accept-language": "en-GB"}).json()
    assert english["title"] == english["en"]["title"] != english["zh"]["title"]


def test_probes_measures_and_the_log(client, server, county, bundle):
    assert client.get("/livez").json()["alive"]
    assert client.get("/readyz").json()["registry"] == "reachable"
    post(client, "score", county, {"as_of": str(DAY), "rows": [row(bundle)]})
    post(client, "score", county, {"as_of": str(DAY), "rows": [row(bundle)]}, purpose=sorted(REFUSED)[0])
    measures = client.get("/metrics").text
    assert 'zhouji_requests_total{endpoint="score",status="200"}' in measures
    assert "zhouji_list_age_days" in measures
    lines = [json.loads(line) for line in server.text().splitlines() if line.startswith("{")]
    assert {"time", "endpoint", "status", "ms", "request_id", "subject"} <= set(lines[-1])
    assert any(line.get("code") == "purpose_refused" for line in lines)
    assert no_secrets(server.text()) == []
