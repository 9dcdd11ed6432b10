"""Two real data sets through the same door: wide monthly bills and single transactions become monthly history."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features import panel
from features.engines.duckdb import engine
from features.identity import open_pseudonymiser
from features.ingestion import ingest
from features.panel import PanelFolder
from features.project import Project, load_project
from features.settings import Home, Settings
from features.store import Store
from models.registry import Registry
from training.pipeline import train

pytestmark = [pytest.mark.real_data, pytest.mark.filterwarnings("ignore")]  # MLflow's own
CLIENTS = 4000
SEPTEMBER, OCTOBER = date(2005, 9, 30), date(2005, 10, 31)
ACCOUNTS_UNTIL = date(1994, 3, 31)


def pseudonyms(settings: Settings, kind: str, values: pd.Series) -> list[str]:
    made = open_pseudonymiser(settings, Home(settings.home))
    return [made.one(kind, str(value)) for value in values]


def panel_on(project: Project, settings: Settings, days: list[date]) -> PanelFolder:
    with engine(settings) as opened:
        return panel.build(project, Store(Home(settings.home), project), days, engine=opened)


# --- bills and payments ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cards(tmp_path_factory, root, real_data) -> tuple[Project, Settings, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("cards")
    plain = pd.read_parquet(real_data / "uci_default" / "uci_default.parquet").head(CLIENTS)
    plain.to_parquet(folder / "cards.parquet")
    project = load_project(root / "examples" / "uci_default" / "project.yaml")
    settings = Settings(home=folder / "home")
    for feed in ("statements", "defaults"):
        receipt = ingest(folder / "cards.parquet", project, settings, feed=feed, received_on=date(2026, 1, 4))
        assert (receipt.delivered, receipt.accepted, receipt.quarantined) == (CLIENTS, CLIENTS, 0)
    return project, settings, plain.assign(household_id=pseudonyms(settings, "uci_client", plain["ID"]))


def test_bills_become_monthly_history(cards):
    project, settings, plain = cards
    assert (plain.filter(like="BILL_AMT") < 0).to_numpy().sum() > 20, "credits are meant, and stay"
    found = panel_on(project, settings, [SEPTEMBER]).read().set_index("household_id").loc[plain["household_id"]]
    bills = plain[[f"BILL_AMT{n}" for n in range(1, 7)]].to_numpy()
    paid = plain[[f"PAY_AMT{n}" for n in range(1, 7)]].to_numpy()
    arrears = plain[["PAY_0", *(f"PAY_{n}" for n in range(2, 7))]].to_numpy()
    limit = plain["LIMIT_BAL"].to_numpy()
    expected = {
        "bill_now": bills[:, 0],
        "bill_mean_to_limit": bills.mean(axis=1) / limit,
        "payment_now": paid[:, 0],
        "payment_before": paid[:, 1],
        "payment_least": paid.min(axis=1),
        "arrears_now": arrears[:, 0],
        "arrears_worst": arrears.max(axis=1),
        "arrears_months": (arrears >= 1).sum(axis=1),
    }
    for name, values in expected.items():
        assert np.std(values) > 0, name
        np.testing.assert_allclose(found[name].to_numpy(), values, rtol=1e-9, atol=1e-9, err_msg=name)


def test_nothing_of_october_is_known_in_september(cards):
    project, settings, _ = cards
    store = Store(Home(settings.home), project)
    with engine(settings) as opened:
        before = opened.frame(store.as_known_on(SEPTEMBER, "outcome", opened))
        after = opened.frame(store.as_known_on(OCTOBER, "outcome", opened))
    assert len(before) == 0
    assert len(after) == CLIENTS


def test_a_model_of_one_day_divides_clients_because_time_cannot_be_divided(cards):
    project, settings, plain = cards
    home = Home(settings.home)
    with engine(settings) as opened:
        trained = train(
            project, "default", Store(home, project), Registry(settings, home),
            until=OCTOBER, engine=opened, settings=settings,
        )  # fmt: skip
    assert trained.report["rows"] == CLIENTS
    assert trained.report["base_rate"] == pytest.approx(plain["default_next_month"].mean())
    assert 0.73 < trained.report["models"]["lightgbm"]["auc"] < 0.82


# --- transactions ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def accounts(tmp_path_factory, root, real_data) -> tuple[Project, Settings, pd.DataFrame]:
    file = real_data / "berka" / "trans_1993.parquet"
    project = load_project(root / "examples" / "berka" / "project.yaml")
    settings = Settings(home=tmp_path_factory.mktemp("accounts") / "home")
    receipt = ingest(file, project, settings, received_on=date(2026, 1, 4))
    plain = pd.read_parquet(file)
    assert receipt.accepted == receipt.delivered == len(plain)
    return project, settings, plain


def test_transactions_become_monthly_income_and_expense(accounts):
    project, settings, plain = accounts
    found = panel_on(project, settings, [ACCOUNTS_UNTIL]).read().set_index("household_id")
    recent = plain[plain["date"] >= "1994-01-01"].assign(month=lambda rows: rows["date"].dt.to_period("M"))
    earned = recent[(recent["type"] == "PRIJEM") & (recent["k_symbol"] != "UROK")]
    spent = recent[recent["type"] != "PRIJEM"]
    # who has had no transaction for two months is no longer observed
    active = recent[recent["date"] >= "1994-02-01"]["account_id"].unique()
    names = pd.Series(sorted(active))
    named = dict(zip(names, pseudonyms(settings, "berka_account", names), strict=True))
    mean = earned.groupby(["account_id", "month"])["amount"].sum().groupby("account_id").mean()
    mean = mean[mean.index.isin(active)]
    assert len(found) == len(active) >= len(mean) > 800
    values = found["income_mean_3m"].loc[[named[account] for account in mean.index]]
    np.testing.assert_allclose(values, mean, rtol=1e-9)
    ratio = (spent.groupby("account_id")["amount"].sum() / earned.groupby("account_id")["amount"].sum()).dropna()
    ratio = ratio[ratio.index.isin(active)]
    values = found["spent_to_earned"].loc[[named[account] for account in ratio.index]]
    np.testing.assert_allclose(values, ratio, rtol=1e-9)


def test_penalties_are_counted_as_events(accounts):
    project, settings, plain = accounts
    found = panel_on(project, settings, [ACCOUNTS_UNTIL]).read()
    year = plain[(plain["k_symbol"] == "SANKC. UROK") & (plain["date"] > "1993-03-31")]
    assert found["penalties_year"].sum() == len(year) > 30


def test_what_comes_later_changes_no_earlier_panel(accounts, root, tmp_path):
    project, settings, plain = accounts
    day = date(1993, 9, 30)
    short = tmp_path / "until_september.parquet"
    plain[plain["date"] <= pd.Timestamp(day)].to_parquet(short)
    alone = Settings(home=tmp_path / "home", pseudonym_key=key_of(settings.home))
    ingest(short, project, alone, received_on=date(2026, 1, 4))
    pd.testing.assert_frame_equal(
        panel_on(project, settings, [day]).read(), panel_on(project, alone, [day]).read(), check_exact=True
    )


def key_of(home: Path) -> str:
    return (home / "keys" / "pseudonym.key").read_text().strip()
