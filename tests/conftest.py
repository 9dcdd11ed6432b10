"""What every test shares: a quiet environment, and the development data where it is present."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true",
    BENTOML_DO_NOT_TRACK="True",
    DO_NOT_TRACK="true",
    TZ="UTC",
    OMP_WAIT_POLICY="PASSIVE",
)
# how fast a machine is says nothing of the code: no test fails for its time
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
ROOT = Path(__file__).resolve().parent.parent


LONG_FILES = (
    "integration/test_wheel.py", "web/test_browser.py", "property/test_panel.py", "web/test_stories.py",
    "acceptance/test_demo.py", "acceptance/test_province_observation.py", "integration/test_field_loop.py",
)  # fmt: skip
"""Files that take minutes, the longest first."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files begin first, so that no worker waits at the end for the other's last one; all else stays shuffled."""
    place = {ROOT / "tests" / name: at for at, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: place.get(item.path, len(LONG_FILES)))


def data_folder() -> Path | None:
    """ZHOUJI_DATA, or `shared/data` beside the checkout; None where there is neither."""
    named = os.environ.get("ZHOUJI_DATA")
    candidates = [Path(named)] if named else [ROOT.parent / "shared" / "data"]
    return next((path for path in candidates if path.is_dir()), None)


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = data_folder()
    if folder is None:
        pytest.skip("the development data is absent: set ZHOUJI_DATA to try this")
    return folder


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT
