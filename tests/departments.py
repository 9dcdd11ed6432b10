"""A tiny project with four feeds, and deliveries for it: what the tests of the store and the drills take in."""

from __future__ import annotations

import csv
from pathlib import Path

import yaml

from features.project import Project, load_project

TEXT = """
version: 1
name: tiny
title: {zh: 试, en: trial}
calendar: {cadence: month, grain: month}
store: {buckets: 2, partition: year}
areas:
  levels: [county]
  visits: county
  listed: [{code: n, name: {zh: 北, en: north}, level: county}, {code: s, name: {zh: 南, en: south}, level: county}]
departments: {bureau: {name: {zh: 局, en: bureau}}}
feeds:
  wages:                       # the department says when it knew, and flags deletions
    name: {zh: 工资, en: wages}
    department: bureau
    cadence: month
    profile:
      columns:
        household: {type: text, required: true}
        month: {type: period, required: true}
        amount: {type: money}
        known: {type: date, required: true}
        gone: {type: flag}
      identifiers: {who: {from: [household], type: household}}
      key: [who, month]
      knowledge: {column: known}
      retracted: gone
      records: [{table: income, set: {household_id: who, period: month, amount: amount}, const: {source: total}}]
  bills:                       # known on the day of the delivery; persons only
    name: {zh: 账单, en: bills}
    department: bureau
    cadence: month
    profile:
      columns:
        number: {type: text, required: true}
        person: {type: text, required: true}
        day: {type: date, required: true}
        amount: {type: money}
      identifiers: {who: {from: [person], type: person, subject: person}}
      key: [number]
      records: [{table: expense, set: {person_id: who, event_date: day, amount: amount}, const: {kind: medical}}]
  register:                    # a complete snapshot of each area, with identities for the vault, and two tables
    name: {zh: 名册, en: register}
    department: bureau
    cadence: month
    profile:
      columns:
        household: {type: text, required: true}
        area: {type: text, required: true}
        since: {type: date, required: true}
        category: {type: text, allowed: [dibao, edge]}
        name: {type: text}
        phone: {type: text}
      identifiers: {who: {from: [household], type: household, vault: {name: name, phone: phone, number: household}}}
      key: [who]
      snapshot: {scope: [area]}
      records:
        - {table: household, set: {household_id: who, valid_from: since, area_code: area}}
        - {table: category, set: {household_id: who, valid_from: since, category: category}, when_present: [category]}
  answers:                     # several records of one row; known by a rule
    name: {zh: 问答, en: answers}
    department: bureau
    cadence: month
    profile:
      columns:
        household: {type: text, required: true}
        month: {type: period, required: true}
        aid: {type: integer}
        debt: {type: integer}
      identifiers: {who: {from: [household], type: household}}
      key: [who, month]
      knowledge: {end_of: month, plus_days: 20}
      records:
        - table: reading
          set: {household_id: who, period: month}
          const: {kind: answer}
          each: {key: detail, value: value, over: {cash_aid: aid, spent_savings: debt}}
vocabularies:
  reading.answer:
    cash_aid: {zh: 救助, en: aid}
    spent_savings: {zh: 存款, en: savings}
tasks: {t: {title: {zh: 试, en: trial}, horizon: 3 months, recorded: true}}
default_task: t
levels: {source: "-", since: "2020", red: 0.4, orange: 0.2, yellow: 0.1}
capacity: {source: "-", since: "2020", default: 3}
listing: {source: "-", since: "2020"}
promotion: {source: "-", since: "2020", gates: []}
"""


def tiny_project(folder: Path) -> Project:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "project.yaml"
    path.write_text(TEXT, encoding="utf-8")
    yaml.safe_load(TEXT)
    return load_project(path)


def deliver(path: Path, rows: list[dict[str, object]]) -> Path:
    """Write rows as a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
