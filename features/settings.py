"""Every setting once: environment over default, read into one frozen object.

A deployment's content (feeds, horizon, thresholds) is in the project file; settings say only where and how a
process runs on this machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class SettingRecord:
    """A setting's name in the environment, its default, and what it is for."""

    name: str
    default: str
    help_zh: str
    help_en: str


RECORDS = (
    SettingRecord("ZHOUJI_HOME", "zhouji-data", "存放全部状态的文件夹", "folder that holds all state"),
    SettingRecord("ZHOUJI_PROJECT", "", "项目文件", "project file"),
    SettingRecord("ZHOUJI_DATA", "", "开发用真实数据的文件夹", "folder of the real data used in development"),
    SettingRecord("ZHOUJI_LANG", "zh", "消息语言：zh 或 en", "language of messages: zh or en"),
    SettingRecord("ZHOUJI_PSEUDONYM_KEY_FILE", "", "假名密钥文件", "file of the pseudonym key; home/keys by default"),
    SettingRecord("ZHOUJI_PSEUDONYM_KEY", "", "假名密钥，64 位十六进制", "pseudonym key, 64 hexadecimal digits"),
    SettingRecord("ZHOUJI_VAULT_KEY_FILE", "", "身份库密钥文件", "file of the vault's keys, newest first"),
    SettingRecord("ZHOUJI_VAULT_KEY", "", "身份库密钥，新者在前，逗号分隔", "vault keys, newest first, with commas"),
    SettingRecord("ZHOUJI_MLFLOW_URI", "", "MLflow 地址", "MLflow tracking URI; SQLite in home by default"),
    SettingRecord("ZHOUJI_MEMORY_LIMIT", "600MB", "查询引擎的内存上限", "memory limit of the query engine"),
    SettingRecord("ZHOUJI_TEMP_LIMIT", "20GB", "查询引擎的临时磁盘上限", "temporary disk limit of the query engine"),
    SettingRecord("ZHOUJI_THREADS", "2", "线程数", "threads"),
    SettingRecord("ZHOUJI_TASK", "", "服务所用的任务", "task that the service answers for; the project's default"),
    SettingRecord("ZHOUJI_ALIAS", "", "服务所用版本的别名", "alias that the service follows; champion, or the newest"),
    SettingRecord("ZHOUJI_WATCH_SECONDS", "5", "多久看一次别名", "seconds between two looks at the alias"),
    SettingRecord("ZHOUJI_RATE", "50", "每个令牌每秒请求数", "requests a second of one token, for each worker"),
    SettingRecord("ZHOUJI_IN_FLIGHT", "64", "同时处理的请求数", "requests at once in one worker; more get 429"),
    SettingRecord(
        "ZHOUJI_OTLP_ENDPOINT", "", "追踪数据的地址", "OTLP/HTTP address of traces; none are sent without it"
    ),
    SettingRecord(
        "ZHOUJI_OIDC_ISSUER", "", "统一认证的签发者", "issuer of OIDC tokens; only our own tokens without it"
    ),
    SettingRecord("ZHOUJI_OIDC_AUDIENCE", "zhouji", "统一认证的受众", "audience that OIDC tokens must name"),
    SettingRecord(
        "ZHOUJI_OIDC_CLIENT", "", "网页统一认证的客户端", "client of the pages' common sign-in; none without it"
    ),
    SettingRecord("ZHOUJI_OIDC_SECRET", "", "该客户端的密钥", "that client's secret; a public client has none"),
    SettingRecord("ZHOUJI_OIDC_CLAIM", "preferred_username", "写明账号名的声明", "claim that names the account"),
    SettingRecord("ZHOUJI_ADDRESS", "", "网页的公开地址", "address by which browsers reach the pages"),
    SettingRecord("ZHOUJI_DATABASE", "", "个案库地址", "URL of the case database; SQLite in home by default"),
    SettingRecord("ZHOUJI_SESSION_IDLE", "30", "无操作多少分钟后退出", "minutes without a click until a session ends"),
    SettingRecord("ZHOUJI_SESSION_LONGEST", "600", "登录最长多少分钟", "minutes until a session ends in any case"),
    SettingRecord("ZHOUJI_HTTPS", "0", "网页经 https 访问时设为 1", "1 where browsers reach the pages by https"),
    SettingRecord("ZHOUJI_CONTACT", "", "页面上的帮助电话", "telephone of help that stands on every page"),
    SettingRecord(
        "ZHOUJI_CLOCK_SHIFT", "0", "试用：网页的时钟慢多少秒", "for trying: seconds by which the pages' clock is late"
    ),
    SettingRecord("ZHOUJI_WEBHOOKS", "", "事件通知的接收方", "file of webhook receivers (TOML)"),
)


@dataclass(frozen=True)
class Settings:
    """Where and how this process runs. Made by `read_settings`."""

    home: Path = Path("zhouji-data")
    data: Path | None = None
    lang: str = "zh"
    pseudonym_key_file: Path | None = None
    pseudonym_key: str = ""
    vault_key_file: Path | None = None
    vault_key: str = ""
    mlflow_uri: str = ""
    memory_limit: str = "600MB"
    temp_limit: str = "20GB"
    threads: int = 2
    task: str = ""
    alias: str = ""
    watch_seconds: float = 5.0
    rate: float = 50.0
    in_flight: int = 64
    otlp_endpoint: str = ""
    oidc_issuer: str = ""
    oidc_audience: str = "zhouji"
    oidc_client: str = ""
    oidc_secret: str = ""
    oidc_claim: str = "preferred_username"
    address: str = ""
    webhooks: Path | None = None
    database: str = ""
    session_idle: int = 30
    session_longest: int = 600
    https: int = 0
    contact: str = ""
    clock_shift: int = 0

    def __repr__(self) -> str:
        """Without the keys and the database's password, so that no log can show them."""
        secret = ("pseudonym_key", "vault_key", "database", "oidc_secret")
        shown = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in secret}
        return f"Settings({shown})"


def read_settings(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Settings from the environment; `overrides` (from the command line) win where they are not None.

    >>> read_settings({"ZHOUJI_THREADS": "4"}, lang="en").threads
    4
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for field in fields(Settings):
        text = environment.get(f"ZHOUJI_{field.name.upper()}", "")
        if text == "":
            continue
        if field.name in ("threads", "in_flight", "session_idle", "session_longest", "https", "clock_shift"):
            values[field.name] = int(text)
        elif field.name in ("watch_seconds", "rate"):
            values[field.name] = float(text)
        elif field.name in ("home", "data", "pseudonym_key_file", "vault_key_file", "webhooks"):
            values[field.name] = Path(text)
        else:
            values[field.name] = text
    values.update({name: value for name, value in overrides.items() if value is not None})
    return Settings(**values)


@dataclass(frozen=True)
class Home:
    """The one folder that holds all state; removing it removes everything."""

    path: Path

    @property
    def keys(self) -> Path:
        """Keys of pseudonyms and vault, shared by all projects of this home."""
        return self.path / "keys"

    @property
    def mlflow(self) -> Path:
        """MLflow's database and artefacts."""
        return self.path / "mlflow"

    @property
    def temporary(self) -> Path:
        """Spill files of the query engine; emptied at will."""
        return self.path / "tmp"

    def project(self, name: str) -> ProjectHome:
        """The part of this home that belongs to one project."""
        return ProjectHome(self.path / name)


@dataclass(frozen=True)
class ProjectHome:
    """Folders of one project."""

    path: Path

    @property
    def store(self) -> Path:
        """The append-only store."""
        return self.path / "store"

    @property
    def vault(self) -> Path:
        """The encrypted identity vault."""
        return self.path / "vault"

    @property
    def quarantine(self) -> Path:
        """Rejected rows and files, with their original text."""
        return self.path / "quarantine"

    @property
    def panels(self) -> Path:
        """Panels by digest."""
        return self.path / "panels"

    @property
    def bundles(self) -> Path:
        """Bundles by digest."""
        return self.path / "bundles"

    @property
    def runs(self) -> Path:
        """Weekly runs."""
        return self.path / "runs"

    @property
    def access(self) -> Path:
        """Tokens of the service (hashed), answers to idempotency keys, and the bundle that served last."""
        return self.path / "access"

    @property
    def events(self) -> Path:
        """Events on their way to other platforms."""
        return self.path / "events"

    @property
    def casework(self) -> Path:
        """Cases, where their database is SQLite, and what witnesses their audit log."""
        return self.path / "casework"
