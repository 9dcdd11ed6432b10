"""Entry file of MLflow's models-from-code: the bundle folder is the model, this file only opens it."""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from models.bundle import load


class BundleModel(PythonModel):
    """Scores a frame of indicators: margin, probability, low, high, level."""

    def load_context(self, context: Any) -> None:
        """Open the bundle that was logged as the artefact."""
        self.bundle = load(Path(context.artifacts["bundle"]))

    def predict(
        self,
        context: Any,  # noqa: ARG002 -- MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """One row of scores for each row of indicators."""
        return self.bundle.assess(model_input)


set_model(BundleModel())
