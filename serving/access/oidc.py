"""OIDC access tokens, where an issuer is configured: signed by it, meant for us, with area, role and purposes in them.

Keys are fetched from the issuer's discovery document in a thread, never in a request: a token signed with a key that is
not known yet is refused, and the keys are asked for anew.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from features.settings import Settings
from serving.access.roles import ROLES, SUPPORT
from serving.access.tokens import Principal

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
AREA, ROLE, PURPOSES = "zhouji_area", "zhouji_role", "zhouji_purposes"
FRESH_SECONDS, AGAIN_SECONDS = 600.0, 10.0


class Oidc:
    """Tokens of one issuer."""

    def __init__(self, issuer: str, audience: str) -> None:
        self._issuer = issuer.rstrip("/")
        self._claims = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._keys: KeySet | None = None
        self._asked = -AGAIN_SECONDS
        self._lock = threading.Lock()
        self.refresh()

    def principal(self, text: str) -> Principal | None:
        """Who a token speaks for; None where it is not the issuer's, not for us, expired, or names no role of ours."""
        if time.monotonic() - self._asked > FRESH_SECONDS:
            self._later()
        keys = self._keys
        if keys is None:
            self._later()
            return None
        try:
            claims = jwt.decode(text, keys, algorithms=ALGORITHMS).claims
            self._claims.validate(claims)
        except (JoseError, ValueError, TypeError):
            self._later()
            return None
        return _principal(claims)

    def _later(self) -> None:
        """Ask for the keys in a thread, at most every few seconds."""
        with self._lock:
            if time.monotonic() - self._asked < AGAIN_SECONDS:
                return
            self._asked = time.monotonic()
        threading.Thread(target=self.refresh, name="oidc", daemon=True).start()

    def refresh(self) -> None:
        """Fetch the issuer's keys; the ones that are known stay where it does not answer."""
        self._asked = time.monotonic()
        try:
            with httpx.Client(timeout=5, follow_redirects=False) as client:
                found = client.get(f"{self._issuer}/.well-known/openid-configuration").raise_for_status().json()
                if found.get("issuer", "").rstrip("/") != self._issuer:
                    return
                self._keys = KeySet.import_key_set(client.get(found["jwks_uri"]).raise_for_status().json())
        except (httpx.HTTPError, ValueError, KeyError, TypeError, JoseError):
            return


def _principal(claims: dict[str, Any]) -> Principal | None:
    area, role, purposes = claims.get(AREA), claims.get(ROLE), claims.get(PURPOSES)
    words = purposes.split() if isinstance(purposes, str) else purposes
    if not isinstance(area, str) or role not in ROLES or not isinstance(words, list):
        return None
    granted = tuple(word for word in words if word in SUPPORT)
    return Principal(f"oidc:{str(claims['sub'])[:64]}", area, str(role), granted) if granted else None


def oidc(settings: Settings) -> Oidc | None:
    """The configured issuer."""
    return Oidc(settings.oidc_issuer, settings.oidc_audience) if settings.oidc_issuer else None
