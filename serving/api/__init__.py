"""The service over HTTP: one file per family of endpoints, and the gate that every request passes."""
