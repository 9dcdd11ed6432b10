"""Invented documents: nobody in them exists."""

from __future__ import annotations

from datetime import date

from features.strict import Words
from reports.documents import (
    AreaLine,
    ChangeLine,
    Explanation,
    FeedLine,
    Heading,
    ListRow,
    PeerLine,
    ReasonLine,
    Record,
    TrendPoint,
    WeeklyList,
)

DAY = date(2026, 11, 22)


def both(zh: str, en: str) -> Words:
    return Words(zh=zh, en=en)


YIBAO, RENSHE, CANLIAN = (
    both("医保局", "medical security"),
    both("人社局", "human resources"),
    both("残联", "disabled federation"),
)
POWER, SOCIAL, MEDICAL = (
    both("用电量", "power use"),
    both("社保缴费", "social insurance"),
    both("医疗结算", "medical settlements"),
)

HEADING = Heading(
    project=both("云溪县困难家庭早期预警", "Yunxi hardship early warning"),
    task="onset",
    task_title=both("未来十三周内陷入困难", "onset of hardship within thirteen weeks"),
    as_of=DAY,
    period="2026-W47",
    run_id="3f9a61c07b2e",
    version="12",
    bundle="9d1e4c6a" * 8,
    store_version=214,
    horizon=both("今后十三周", "thirteen weeks"),
    feeds=(
        FeedLine("medical", MEDICAL, YIBAO, "current", "2026-10", 22),
        FeedLine("insurance", SOCIAL, RENSHE, "current", "2026-10", 22),
        FeedLine("disability", both("残疾证", "disability certificates"), CANLIAN, "current", "2026-11", 5),
        FeedLine("power", POWER, both("供电公司", "power company"), "late", "2026-08", 83),
        FeedLine("deposits", both("存款核对", "deposits"), both("核对中心", "verification centre"), "absent"),
    ),
)

EXPLANATION = Explanation(
    heading=HEADING,
    household_id="8f3c21d09ab44e67c51b0d2e",
    area=both("云溪县青禾镇", "Qinghe, Yunxi"),
    level="red",
    probability=0.318,
    low=0.25,
    high=0.39,
    base_rate=0.031,
    rank=12,
    cohort=41_206,
    bands={"red": 0.25, "orange": 0.12, "yellow": 0.05},
    listed=True,
    change="up",
    change_per_100=14,
    trend=tuple(
        TrendPoint(date(2026, 1 + month, 28), p, "none")
        for month, p in enumerate([0.06, 0.055, 0.06, 0.07, 0.065, 0.08, 0.09, 0.11, 0.13, 0.18, 0.318])
    ),
    changes=(
        ChangeLine(
            both("近三月医疗自付", "own medical payments, three months"),
            "expense",
            both("3,020 元", "3,020 yuan"),
            both("27,130 元", "27,130 yuan"),
            True,
            YIBAO,
            date(2026, 11, 18),
        ),
        ChangeLine(
            both("职工养老缴费", "pension contributions"),
            "income",
            both("正常", "paid"),
            both("连续 2 月未缴", "2 months unpaid"),
            True,
            RENSHE,
            date(2026, 11, 20),
        ),
        ChangeLine(
            both("重残成员", "severely disabled members"),
            "population",
            both("0 人", "0"),
            both("1 人", "1"),
            True,
            CANLIAN,
            date(2026, 11, 17),
        ),
        ChangeLine(
            both("助学金", "student aid"),
            "assistance_gap",
            both("0 元", "0 yuan"),
            both("1,000 元", "1,000 yuan"),
            False,
            both("教育局", "education"),
            date(2026, 11, 21),
        ),
    ),
    reasons=(
        ReasonLine(
            "expense",
            both(
                "近三个月医疗自付 27,130 元，约为平时的 9 倍。",
                "Own medical payments were 27,130 yuan in three months, about 9 times the usual.",
            ),
            5,
            0.41,
            both("27,130 元", "27,130 yuan"),
            both("3,020 元", "3,020 yuan"),
            both("1,450 元", "1,450 yuan"),
            Record(YIBAO, MEDICAL, "medical-2026-11.csv", 4182, "00000213", date(2026, 11, 18)),
            YIBAO,
            (2800, 3100, 2900, 3300, 3020, 2700, 3100, 3020, 6400, 9100, 18460, 27130),
            3020,
        ),
        ReasonLine(
            "income",
            both(
                "工资性收入由每月约 4,300 元降为 0，已持续两个月。",
                "Wages fell from about 4,300 yuan a month to nothing, for two months now.",
            ),
            4,
            0.27,
            both("0 元", "0 yuan"),
            both("4,270 元", "4,270 yuan"),
            both("3,900 元", "3,900 yuan"),
            Record(RENSHE, SOCIAL, "insurance-2026-10.parquet", 90211, "00000209", date(2026, 11, 20)),
            RENSHE,
            (4200, 4300, 4250, None, 4300, 4280, 4300, 4310, 4270, 4300, 0, 0),
            4270,
        ),
        ReasonLine(
            "population",
            both(
                "新增二级肢体残疾成员 1 人，需长期照护。",
                "One member was newly certified as severely disabled and needs lasting care.",
            ),
            3,
            0.12,
            both("1 人", "1 person"),
            None,
            both("0 人", "0"),
            Record(
                CANLIAN,
                both("残疾证", "disability certificates"),
                "canlian-11.xlsx",
                37,
                "00000211",
                date(2026, 11, 17),
            ),
            CANLIAN,
            (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
            0,
        ),
        ReasonLine(
            "vulnerability",
            both("户内只有 1 名劳动力，供养 3 人。", "One earner supports three others."),
            2,
            0.06,
            both("3 人", "3"),
            both("2 人", "2"),
            both("1.2 人", "1.2"),
            None,
            both("公安局", "public security"),
        ),
    ),
    explained=0.86,
    relief=(
        ReasonLine(
            "assistance_gap",
            both("已参加居民医保，本年度个人缴费获资助。", "Insured; this year's contribution was subsidised."),
            2,
            0.1,
            both("是", "yes"),
        ),
        ReasonLine(
            "vulnerability", both("自有住房，鉴定等级 B 级。", "Own dwelling, graded B."), 1, 0.05, both("B", "B")
        ),
    ),
    peers=(
        PeerLine(
            both("人均月收入", "income per head and month"),
            612,
            850,
            1190,
            2400,
            both("612 元", "612 yuan"),
            both("1,190 元", "1,190 yuan"),
            both("低于约 9 成同类家庭", "lower than about 9 in 10 peers"),
            0.05,
        ),
        PeerLine(
            both("近三月医疗自付", "own medical payments, three months"),
            27130,
            120,
            1450,
            6400,
            both("27,130 元", "27,130 yuan"),
            both("1,450 元", "1,450 yuan"),
            both("高于约 9 成同类家庭", "higher than about 9 in 10 peers"),
            0.97,
        ),
        PeerLine(
            both("每名劳动力负担人数", "dependants per earner"),
            3.0,
            0.5,
            1.2,
            2.5,
            both("3.0 人", "3.0"),
            both("1.2 人", "1.2"),
            both("高于约 9 成同类家庭", "higher than about 9 in 10 peers"),
            0.93,
        ),
    ),
    peer_group=both("同镇家庭", "households of the same town"),
    peer_count=1284,
)


def weekly_list(rows: int = 8) -> WeeklyList:
    levels = ("red", "orange", "yellow", "none")
    situations = (
        both(
            "近三个月医疗自付 27,130 元，约为平时的 9 倍。工资性收入降为 0，已持续两个月。",
            "Own medical payments rose. Wages fell to nothing.",
        ),
        both('=HYPERLINK("http://invented.invalid")', "+1 member"),
        both("本期没有突出变化，按常规了解生活情况。", "No particular change."),
    )
    made = tuple(
        ListRow(
            code=f"{ix:024x}",
            household_id=f"{(ix * 7919) % 99991:024x}",
            area_code=f"A{ix % 2}",
            area=both(f"{'青禾' if ix % 2 == 0 else '云岭'}镇", f"{'Qinghe' if ix % 2 == 0 else 'Yunling'}"),
            level=levels[ix % 4],
            change=("new", "up", "down", "same")[ix % 4],
            change_per_100=(0, 8, -3, 0)[ix % 4],
            situation=situations[ix % 3],
            visit_by=date(2026, 11, 25 + ix % 3),
            visit_by_blind=date(2026, 11, 25 + ix % 2),
        )
        for ix in range(rows)
    )
    return WeeklyList(
        heading=HEADING,
        rows=made,
        areas=(
            AreaLine(both("青禾镇", "Qinghe"), 4, 4, {"red": 0, "orange": 3, "yellow": 21}),
            AreaLine(both("云岭镇", "Yunling"), 4, 4, {"red": 0, "orange": 0, "yellow": 9}),
        ),
        departments={"civil": both("民政局", "civil affairs"), "medical": YIBAO, "labour": RENSHE},
        bands=EXPLANATION.bands,
    )
