"""The one door to MLflow: logging, registering, promoting, fetching, and weekly runs under the version that made them.

SQLite and a folder in home by default, a tracking server by setting. Everything that can be repeated is found again
by its digest: a run that a kill interrupted is closed and logged anew, a bundle that is registered already keeps its
version.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import socket
import tempfile
import urllib.parse
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.errors import DependencyError, UsageError
from features.settings import Home, Settings
from models.bundle import Bundle, load

TAG = "zhouji.kind"
DIGEST = "zhouji.bundle"
RUN = "zhouji.run_id"
CHAMPION = "champion"


@dataclass(frozen=True)
class Version:
    """A registered version of a model."""

    number: str
    run_id: str
    digest: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]


def model_name(project: str, task: str) -> str:
    """Registered model of a project's task."""
    return f"zhouji-{project}-{task}"


class Registry:
    """MLflow as this product uses it."""

    def __init__(self, settings: Settings, home: Home) -> None:
        self._home = home
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
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        self._answers()
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        import mlflow

        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        return mlflow.MlflowClient(self.uri, self.uri)

    def _answers(self) -> None:
        """A server that is not there is said at once, not after MLflow's many retries."""
        parts = urllib.parse.urlsplit(self.uri)
        if parts.scheme not in ("http", "https"):
            return
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection((parts.hostname or "", port), timeout=3).close()
        except OSError as error:
            raise DependencyError("registry_unreachable", detail=type(error).__name__) from error

    @contextlib.contextmanager
    def _asking(self) -> Iterator[Any]:
        """MLflow's client; its errors become ours, its warnings stay with it."""
        client = self._client
        from mlflow.exceptions import MlflowException

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield client
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise DependencyError("registry_unreachable", detail=str(error.error_code)) from error

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
            run_id, source = self._logged(client, experiment, bundle)
            if run_id is None or source is None:
                run_id, source = self._log(
                    client,
                    experiment,
                    bundle,
                    params=params,
                    metrics=metrics,
                    files=files,
                    datasets=datasets or {},
                    tags=tags or {},
                )
            if not register:
                return run_id, None
            name = model_name(project, task)
            known = next((v for v in self.versions(project, task) if v.digest == bundle.digest), None)
            if known is not None:
                return run_id, known.number
            return run_id, self._register(client, name, source, run_id, bundle)

    def _logged(self, client: Any, experiment: str, bundle: Bundle) -> tuple[str | None, str | None]:
        query = f"tags.`{DIGEST}` = '{bundle.digest}' AND tags.`{TAG}` = 'training' AND attributes.status = 'FINISHED'"
        runs = client.search_runs([experiment], query, max_results=1)
        return (runs[0].info.run_id, runs[0].data.tags.get("zhouji.model_uri")) if runs else (None, None)

    def _log(
        self,
        client: Any,
        experiment: str,
        bundle: Bundle,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        files: Sequence[Path],
        datasets: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> tuple[str, str]:
        import mlflow

        marks = {TAG: "training", DIGEST: bundle.digest, **tags, **{f"dataset.{k}": v for k, v in datasets.items()}}
        with mlflow.start_run(experiment_id=experiment, run_name=f"train {bundle.digest[:8]}", tags=marks) as run:
            mlflow.log_params({key: str(value)[:500] for key, value in params.items()})
            mlflow.log_artifacts(str(bundle.folder), "bundle")
            for file in files:
                mlflow.log_artifact(str(file), "reports")
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("mlflow_model.py")),
                artifacts={"bundle": str(bundle.folder)},
                pip_requirements=["zhouji"],  # asking the environment would take a minute and the network
            )
            mlflow.log_metrics({key: float(value) for key, value in metrics.items()}, model_id=info.model_id)
            client.set_tag(run.info.run_id, "zhouji.model_uri", info.model_uri)
        return run.info.run_id, str(info.model_uri)

    def _register(self, client: Any, name: str, source: str, run_id: str, bundle: Bundle) -> str:
        import mlflow

        tags = {DIGEST: bundle.digest, "zhouji.until": str(bundle.manifest.get("until", ""))}
        version = mlflow.register_model(source, name, tags=tags)
        client.set_model_version_tag(name, version.version, "zhouji.training_run", run_id)
        return str(version.version)

    # --- versions ----------------------------------------------------------------------------------------------

    def versions(self, project: str, task: str) -> list[Version]:
        """All versions of a task's model, oldest first."""
        name = model_name(project, task)
        with self._asking() as client:
            from mlflow.exceptions import MlflowException

            try:
                aliases = client.get_registered_model(name).aliases
            except MlflowException:
                return []
            found = client.search_model_versions(f"name = '{name}'")
        by_version: dict[str, list[str]] = {}
        for alias, number in aliases.items():
            by_version.setdefault(str(number), []).append(alias)
        return sorted(
            (
                Version(
                    str(v.version),
                    v.run_id or "",
                    v.tags.get(DIGEST, ""),
                    tuple(sorted(by_version.get(str(v.version), []))),
                    dict(v.tags),
                )
                for v in found
            ),
            key=lambda version: int(version.number),
        )

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

    def fetch(self, project: str, task: str, wanted: str = CHAMPION) -> tuple[Version, Bundle]:
        """The bundle of a version: from home where it is known by its digest, else downloaded and checked."""
        version = self.version(project, task, wanted)
        folder = self._home.project(project).bundles / version.digest
        if folder.is_dir():
            return version, load(folder)
        import mlflow

        from features.staging import staged_folder

        with self._asking(), tempfile.TemporaryDirectory() as temporary:
            run = version.tags.get("zhouji.training_run", version.run_id)
            got = Path(mlflow.artifacts.download_artifacts(run_id=run, artifact_path="bundle", dst_path=temporary))
            with staged_folder(folder) as staged:
                for file in got.iterdir():
                    (staged / file.name).write_bytes(file.read_bytes())
        return version, load(folder)

    def move(self, project: str, task: str, number: str, alias: str, *, note: Mapping[str, str]) -> str | None:
        """Move an alias to a version and write down why; returns the version it pointed to before."""
        name = model_name(project, task)
        previous = next((v.number for v in self.versions(project, task) if alias in v.aliases), None)
        with self._asking() as client:
            for key, value in note.items():
                client.set_model_version_tag(name, number, f"zhouji.{key}", value)
            client.set_registered_model_alias(name, alias, number)
        return previous

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

            marks = {
                TAG: "week",
                RUN: run_id,
                DIGEST: version.digest,
                "zhouji.model": model_name(project, task),
                "zhouji.version": version.number,
                "mlflow.parentRunId": version.tags.get("zhouji.training_run", version.run_id),
                **tags,
            }
            with mlflow.start_run(experiment_id=experiment, run_name=f"week {run_id}", tags=marks) as run:
                mlflow.log_params({key: str(value)[:500] for key, value in params.items()})
                mlflow.log_metrics({key: float(value) for key, value in metrics.items()})
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
        """Write what people found to the weekly run that flagged; False where the run is not known here."""
        with self._asking() as client:
            experiment = self._experiment(client, f"{project}-{task}-weeks")
            known = client.search_runs([experiment], f"tags.`{RUN}` = '{run_id}'", max_results=1)
            if not known:
                return False
            for key, value in metrics.items():
                client.log_metric(known[0].info.run_id, key, float(value))
            for key, text in (tags or {}).items():
                client.set_tag(known[0].info.run_id, f"zhouji.{key}", text)
        return True

    def sweep(self) -> int:
        """Close runs of ours that a killed process left running; they are logged anew."""
        closed = 0
        with self._asking() as client:
            experiments = [experiment.experiment_id for experiment in client.search_experiments()]
            for kind in ("training", "week"):
                query = f"attributes.status = 'RUNNING' AND tags.`{TAG}` = '{kind}'"
                for run in client.search_runs(experiments, query) if experiments else []:
                    client.set_terminated(run.info.run_id, "KILLED")
                    closed += 1
        return closed
