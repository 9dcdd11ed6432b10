"""The one door to MLflow: logging, registering, promoting, fetching, and weekly runs under the version that made them.

SQLite and a folder in home by default, a tracking server by setting. Everything that can be repeated is found again
by its digest: a run that a kill interrupted is closed and logged anew, a bundle that is registered already keeps its
version. A version's model is the bundle's folder with a few lines that open it; the logged model collects the
measures of its training and of the weeks it made.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import math
import os
import re
import socket
import tempfile
import urllib.parse
import urllib.request
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from features.errors import DataError, DependencyError, UsageError
from features.settings import Home, Settings
from features.staging import locked, staged_folder
from models.bundle import Bundle, load, read
from models.processes import is_gone, process_mark

TAG = "zhouji.kind"
PROCESS = "zhouji.process"
DIGEST = "zhouji.bundle"
RUN = "zhouji.run_id"
EVALUATION = "zhouji.evaluation"
ASKED = "zhouji.asked"
EVALUATION_FILE = "evaluation.json"
MODEL = "zhouji.model_id"
CHAMPION = "champion"
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""How MLflow behaves, unless the environment says otherwise: quiet, without telemetry, and quick to give up."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Version:
    """A registered version of a model."""

    number: str
    run_id: str
    digest: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    model_id: str = ""

    @property
    def promoted(self) -> bool:
        """Whether it is the champion."""
        return CHAMPION in self.aliases


def model_name(project: str, task: str) -> str:
    """Registered model of a project's task."""
    return f"zhouji-{project}-{task}"


class Registry:
    """MLflow as this product uses it."""

    def __init__(self, settings: Settings, home: Home) -> None:
        self._home = home
        self._threads = settings.threads
        self._uri = settings.mlflow_uri
        self._local = not settings.mlflow_uri

    @functools.cached_property
    def uri(self) -> str:
        """Tracking URI: the setting, or SQLite in home."""
        if not self._local:
            return self._uri
        self._home.mlflow.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{(self._home.mlflow / 'mlflow.db').resolve()}"

    @functools.cached_property
    def _client(self) -> Any:
        import mlflow

        logging.getLogger("alembic").setLevel(logging.ERROR)
        if not self._local:
            return mlflow.MlflowClient(self.uri, self.uri)
        with locked(self._home.mlflow / "LOCK"):  # two processes at once must not both make the tables
            client = mlflow.MlflowClient(self.uri, self.uri)
            client.search_experiments(max_results=1)
        return client

    def answers(self) -> None:
        """Say at once that a server is not there, not after MLflow's many retries.

        Raises:
            DependencyError: nothing listens at the address.
        """
        parts = urllib.parse.urlsplit(self.uri)
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https"):
            return
        if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
            return  # only the proxy can tell
        try:
            socket.create_connection((host, parts.port or (443 if parts.scheme == "https" else 80)), timeout=3).close()
        except OSError as error:
            raise DependencyError("registry_unreachable", detail=type(error).__name__) from error

    @contextlib.contextmanager
    def _asking(self) -> Iterator[Any]:
        """MLflow's client; its errors become ours, its warnings stay with it."""
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        if "_client" not in self.__dict__:
            self.answers()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mlflow
            from mlflow.exceptions import MlflowException

            try:
                mlflow.set_tracking_uri(self.uri)
                mlflow.set_registry_uri(self.uri)
                yield self._client
            except MlflowException as error:
                silent = error.error_code in ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")
                code = "registry_unreachable" if silent else "registry_refused"
                raise DependencyError(code, detail=_first_line(error)) from error

    def ping(self) -> str:
        """Ask for one experiment; returns where MLflow is."""
        with self._asking() as client:
            client.search_experiments(max_results=1)
        return self.uri if not self._local else str(self._home.mlflow / "mlflow.db")

    def _experiment(self, client: Any, name: str) -> str:
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        place = str((self._home.mlflow / "artifacts" / name).resolve()) if self._local else None
        return str(client.create_experiment(name, artifact_location=place))

    # --- training ----------------------------------------------------------------------------------------------

    def log_training(
        self,
        bundle: Bundle,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        files: Sequence[Path] = (),
        datasets: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        register: bool = False,
    ) -> tuple[str, str | None]:
        """Log a bundle's training as a run with the model in it, and register it where asked.

        Args:
            bundle: what was trained.
            params: choices of the training.
            metrics: out-of-fold measures.
            files: plots and reports.
            datasets: name to digest of what was trained on.
            tags: code version, lock digest and the like.
            register: whether the model becomes a version.

        Returns:
            The run's id, and the version's number where it is registered. A bundle that was logged before keeps
            its run and its version.
        """
        project, task = str(bundle.manifest["project"]), bundle.task
        with self._asking() as client:
            experiment = self._experiment(client, f"{project}-{task}")
            run_id, model_id = self._logged(client, experiment, bundle)
            if not model_id:
                marks = {TAG: "training", DIGEST: bundle.digest, **(tags or {})}
                run_id, model_id = self._log(experiment, bundle, marks, params, metrics, files, datasets or {})
            if not register:
                return run_id, None
            known = next((v for v in self.versions(project, task) if v.digest == bundle.digest), None)
            if known is not None:
                return run_id, known.number
            return run_id, self._register(client, model_name(project, task), model_id, run_id, bundle)

    def _logged(self, client: Any, experiment: str, bundle: Bundle) -> tuple[str, str]:
        query = f"tags.`{DIGEST}` = '{bundle.digest}' AND tags.`{TAG}` = 'training' AND attributes.status = 'FINISHED'"
        runs = client.search_runs([experiment], query, max_results=1)
        return (runs[0].info.run_id, runs[0].data.tags.get(MODEL, "")) if runs else ("", "")

    def _log(
        self,
        experiment: str,
        bundle: Bundle,
        marks: Mapping[str, str],
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        files: Sequence[Path],
        datasets: Mapping[str, str],
    ) -> tuple[str, str]:
        import mlflow

        with self._running(experiment, f"train {bundle.digest[:8]}", marks) as run:
            mlflow.log_params(_short(params))
            mlflow.set_tags({f"dataset.{name}": digest for name, digest in datasets.items()})
            mlflow.MlflowClient().log_inputs(run.info.run_id, [_dataset(*item) for item in datasets.items()])
            for file in files:
                mlflow.log_artifact(str(file), "reports")
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("mlflow_model.py")),
                artifacts={"bundle": str(bundle.folder)},
                signature=_signature(bundle),
                metadata={"bundle": bundle.digest, "schema_hash": bundle.schema.hash},
                pip_requirements=["zhouji"],  # asking the environment would take a minute and the network
            )
            mlflow.log_metrics(_finite(metrics), model_id=info.model_id)
            mlflow.set_tag(MODEL, info.model_id)
        return str(run.info.run_id), str(info.model_id)

    def _register(self, client: Any, name: str, model_id: str, run_id: str, bundle: Bundle) -> str:
        from mlflow.exceptions import MlflowException

        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        until = str(bundle.manifest.get("until", ""))
        tags = {DIGEST: bundle.digest, "zhouji.until": until, "zhouji.training_run": run_id}
        version = client.create_model_version(name, f"models:/{model_id}", run_id, tags, model_id=model_id)
        return str(version.version)

    @contextlib.contextmanager
    def _running(self, experiment: str, name: str, marks: Mapping[str, str]) -> Iterator[Any]:
        """A run of ours that bears its process, so that `sweep` can tell a killed one from one at work."""
        import mlflow

        tags = {**marks, PROCESS: process_mark(os.getpid())}
        with mlflow.start_run(experiment_id=experiment, run_name=name, tags=tags, nested=True) as run:
            yield run

    def training_of(self, version: Version) -> dict[str, Any]:
        """The training that made a version: run, experiment, choices, tags, and when it was logged."""
        with self._asking() as client:
            run = client.get_run(version.tags.get("zhouji.training_run") or version.run_id)
        started = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
        return {
            "run_id": str(run.info.run_id),
            "experiment_id": str(run.info.experiment_id),
            "params": dict(run.data.params),
            "tags": {key: text for key, text in run.data.tags.items() if not key.startswith("mlflow.")},
            "logged_at": started.isoformat(),
        }

    # --- versions ----------------------------------------------------------------------------------------------

    def versions(self, project: str, task: str) -> list[Version]:
        """All versions of a task's model, oldest first."""
        name = model_name(project, task)
        with self._asking() as client:
            from mlflow.exceptions import MlflowException

            try:
                aliases = client.get_registered_model(name).aliases
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return []
            found = client.search_model_versions(f"name = '{name}'")
        made = [
            _version(one, sorted(alias for alias, at in aliases.items() if str(at) == str(one.version)))
            for one in found
        ]
        return sorted(made, key=lambda version: int(version.number))

    def version(self, project: str, task: str, wanted: str = CHAMPION) -> Version:
        """A version by number or alias.

        Raises:
            UsageError: the model has no such version.
        """
        versions = self.versions(project, task)
        for version in versions:
            if wanted == version.number or wanted in version.aliases:
                return version
        if wanted == "latest" and versions:
            return versions[-1]
        known = ", ".join(f"{v.number}{' (' + ', '.join(v.aliases) + ')' if v.aliases else ''}" for v in versions)
        raise UsageError("version_unknown", model=model_name(project, task), version=wanted, known=known or "—")

    def chosen(self, project: str, task: str, alias: str = "") -> Version:
        """The version to serve, by one question: of the alias, else the champion, else the newest.

        Raises:
            UsageError: there is none.
        """
        versions = self.versions(project, task)
        for version in versions:
            if (alias or CHAMPION) in version.aliases:
                return version
        if alias or not versions:
            raise UsageError("version_unknown", model=model_name(project, task), version=alias or CHAMPION, known="—")
        return versions[-1]

    def default(self, project: str, task: str) -> str:
        """Alias of the version to use where none is named: the champion, else the newest."""
        promoted = any(version.promoted for version in self.versions(project, task))
        return CHAMPION if promoted else "latest"

    def fetch(self, project: str, task: str, wanted: str = CHAMPION) -> tuple[Version, Bundle]:
        """The bundle of a version: from home where it is known by its digest, else downloaded and checked.

        Raises:
            UsageError: the model has no such version.
            DataError: what was downloaded is not the bundle that the version names.
        """
        version = self.version(project, task, wanted)
        if not _SHA256.fullmatch(version.digest):
            raise DataError("version_foreign", model=model_name(project, task), version=version.number)
        folder = self._home.project(project).bundles / version.digest
        if not folder.is_dir():
            self._download(project, task, version, folder)
        return version, load(folder, threads=self._threads)

    def _download(self, project: str, task: str, version: Version, folder: Path) -> None:
        with self._asking(), tempfile.TemporaryDirectory() as temporary:
            import mlflow

            uri = f"models:/{model_name(project, task)}/{version.number}"
            got = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=temporary))
            whole = got / "artifacts" / version.digest
            if read(whole).digest != version.digest:  # before it takes its place under that name
                raise DataError("bundle_file_changed", folder=version.digest[:12], file="bundle.json")
            with staged_folder(folder) as staged:
                for file in sorted(whole.iterdir()):
                    (staged / file.name).write_bytes(file.read_bytes())

    def move(self, project: str, task: str, number: str, alias: str, *, note: Mapping[str, str]) -> str | None:
        """Move an alias to a version and write down why; returns the version it pointed to before.

        Raises:
            UsageError: the model has no such version.
        """
        name = model_name(project, task)
        number = self.version(project, task, number).number
        previous = next((v.number for v in self.versions(project, task) if alias in v.aliases), None)
        with self._asking() as client:
            for key, value in note.items():
                client.set_model_version_tag(name, number, f"zhouji.{key}", value)
            client.set_registered_model_alias(name, alias, number)
        return previous

    # --- evaluations --------------------------------------------------------------------------------------------

    def log_evaluation(
        self, project: str, task: str, version: Version, *, report: Mapping[str, Any], metrics: Mapping[str, Any]
    ) -> str:
        """Log how a version stood against later outcomes; asked again, the same evaluation becomes the newest."""
        content = json.dumps(report, ensure_ascii=False, sort_keys=True, allow_nan=False)
        name = hashlib.sha256(content.encode()).hexdigest()
        with self._asking() as client:
            experiment = self._experiment(client, f"{project}-{task}")
            known = client.search_runs(
                [experiment], f"tags.`{EVALUATION}` = '{name}' AND attributes.status = 'FINISHED'", max_results=1
            )
            asked = datetime.now(UTC).isoformat()
            if known:
                client.set_tag(known[0].info.run_id, ASKED, asked)
                return str(known[0].info.run_id)
            import mlflow

            marks = {TAG: "evaluation", DIGEST: version.digest, EVALUATION: name, ASKED: asked}
            marks["zhouji.version"] = version.number
            with self._running(experiment, f"evaluate {version.digest[:8]}", marks) as run:
                mlflow.log_params(_short({key: report.get(key) for key in ("first", "last", "known_by", "rows")}))
                mlflow.log_metrics(_finite(metrics), model_id=version.model_id or None)
                mlflow.log_text(content, f"reports/{EVALUATION_FILE}")
        return str(run.info.run_id)

    def evaluation(self, project: str, task: str, version: Version) -> dict[str, Any] | None:
        """The evaluation against later outcomes that was asked for last, else the out-of-fold one, else None."""
        with self._asking() as client, tempfile.TemporaryDirectory() as temporary:
            experiment = self._experiment(client, f"{project}-{task}")
            for kind in ("evaluation", "training"):
                query = f"tags.`{DIGEST}` = '{version.digest}' AND tags.`{TAG}` = '{kind}'"
                query += " AND attributes.status = 'FINISHED'"
                for run in client.search_runs(
                    [experiment], query, order_by=[f"tags.`{ASKED}` DESC", "attributes.start_time DESC"]
                ):
                    path = f"reports/{EVALUATION_FILE}"
                    if any(file.path == path for file in client.list_artifacts(run.info.run_id, "reports")):
                        got = Path(client.download_artifacts(run.info.run_id, path, temporary))
                        found: dict[str, Any] = json.loads(got.read_text(encoding="utf-8"))
                        return found
        return None

    # --- weekly runs -------------------------------------------------------------------------------------------

    def log_weekly_run(
        self,
        project: str,
        task: str,
        version: Version,
        run_id: str,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        files: Sequence[Path] = (),
    ) -> str:
        """Log a weekly run under the version that made it; the same run is found again, not logged twice."""
        with self._asking() as client:
            experiment = self._experiment(client, f"{project}-{task}-weeks")
            known = client.search_runs(
                [experiment], f"tags.`{RUN}` = '{run_id}' AND attributes.status = 'FINISHED'", max_results=1
            )
            if known:
                return str(known[0].info.run_id)
            import mlflow
            from mlflow.entities import LoggedModelInput

            marks = {
                TAG: "week",
                RUN: run_id,
                DIGEST: version.digest,
                MODEL: version.model_id,
                "zhouji.model": model_name(project, task),
                "zhouji.version": version.number,
                "mlflow.parentRunId": version.tags.get("zhouji.training_run", version.run_id),
                **tags,
            }
            with self._running(experiment, f"week {run_id}", marks) as run:
                mlflow.log_params(_short(params))
                if version.model_id:
                    client.log_inputs(run.info.run_id, models=[LoggedModelInput(version.model_id)])
                mlflow.log_metrics(_finite(metrics))
                for file in files:
                    mlflow.log_artifact(str(file))
            return str(run.info.run_id)

    def weekly_runs(self, project: str, task: str) -> list[tuple[str, Mapping[str, str], Mapping[str, float]]]:
        """Finished weekly runs: our run id, tags and metrics, oldest first."""
        with self._asking() as client:
            experiment = self._experiment(client, f"{project}-{task}-weeks")
            runs = client.search_runs(
                [experiment], "attributes.status = 'FINISHED'", order_by=["attributes.start_time ASC"]
            )
        return [(run.data.tags.get(RUN, ""), run.data.tags, run.data.metrics) for run in runs]

    def add_results(
        self,
        project: str,
        task: str,
        run_id: str,
        *,
        metrics: Mapping[str, float],
        tags: Mapping[str, str] | None = None,
    ) -> bool:
        """Write what people found to the weekly run that flagged, and to the model that made it.

        Returns:
            False where the run is not known here.
        """
        with self._asking() as client:
            experiment = self._experiment(client, f"{project}-{task}-weeks")
            known = client.search_runs([experiment], f"tags.`{RUN}` = '{run_id}'", max_results=1)
            if not known:
                return False
            model_id = known[0].data.tags.get(MODEL) or None
            for key, value in _finite(metrics).items():
                client.log_metric(known[0].info.run_id, key, value, model_id=model_id)
            for key, text in (tags or {}).items():
                client.set_tag(known[0].info.run_id, f"zhouji.{key}", text)
        return True

    def sweep(self) -> int:
        """Close runs of ours that a killed process of this machine left running; they are logged anew."""
        closed = 0
        with self._asking() as client:
            experiments = [experiment.experiment_id for experiment in client.search_experiments()]
            for kind in ("training", "evaluation", "week"):
                query = f"attributes.status = 'RUNNING' AND tags.`{TAG}` = '{kind}'"
                for run in client.search_runs(experiments, query) if experiments else []:
                    if is_gone(run.data.tags.get(PROCESS, "")):
                        client.set_terminated(run.info.run_id, "KILLED")
                        closed += 1
        return closed


def _version(found: Any, aliases: Sequence[str]) -> Version:
    model_id = found.model_id or (found.source or "").removeprefix("models:/")
    digest = found.tags.get(DIGEST, "")
    shown = model_id if model_id.startswith("m-") else ""
    return Version(str(found.version), found.run_id or "", digest, tuple(aliases), dict(found.tags), shown)


def _signature(bundle: Bundle) -> Any:
    """What a model takes and gives, so that MLflow refuses a frame that lacks an indicator."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    numbers = [ColSpec("double", name) for name in ("margin", "probability", "low", "high")]
    return ModelSignature(
        Schema([ColSpec("double", name) for name in bundle.needed]), Schema([*numbers, ColSpec("string", "level")])
    )


def _dataset(name: str, digest: str) -> Any:
    """A dataset as an input of a run: its digest says which, its content stays where it is."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    short = digest[:36]  # MLflow's longest digest; the whole one is a tag of the run
    return DatasetInput(Dataset(name, short, "code", "{}"), [InputTag("mlflow.data.context", "training")])


def _short(params: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value)[:500] for key, value in params.items()}


def _finite(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Measures that have a value; a database holds no NaN."""
    return {key: float(value) for key, value in metrics.items() if value is not None and math.isfinite(value)}


def _first_line(error: Exception) -> str:
    """An error's first line without what may be a password in an address."""
    line = re.sub(r"//[^/@\s]*@", "//", str(error).strip().split("\n", 1)[0])
    return line[:200]
