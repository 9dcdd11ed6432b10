"""Entry file of MLflow's models-from-code: the bundle folder is the model, this file only opens it."""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from models.bundle import load


class BundleModel(PythonModel):
    """Scores a frame of indicators: margin, probability, low, high."""

    def load_context(self, context: Any) -> None:
        """Open the bundle that was logged as the artefact."""
        self.bundle = load(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002 -- MLflow passes them by name
        """One row of scores for each row of indicators."""
        return self.bundle.score(model_input)


set_model(BundleModel())
