"""The common sign-in for pages: OpenID Connect, authorization code with PKCE, state and nonce.

The issuer says who somebody is and nothing more: what they may do stands with the account that an administrator made.
Addresses that the browser is sent to come from the issuer's own discovery document and from the settings, never from a
request.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from features.errors import DependencyError
from features.settings import Settings
from serving.access.oidc import ALGORITHMS

FRESH_SECONDS, WAIT_SECONDS, LEEWAY_SECONDS = 600.0, 5.0, 60
CALLBACK = "/auth/oidc/callback"


@dataclass(frozen=True)
class Departure:
    """What a browser leaves with, and has to come back with."""

    state: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)

    @property
    def challenge(self) -> str:
        """SHA-256 of the verifier (RFC 7636)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class Issuer:
    """One issuer of the common sign-in."""

    def __init__(self, issuer: str, client: str, secret: str, address: str, claim: str) -> None:
        self._issuer, self._client, self._secret = issuer.rstrip("/"), client, secret
        self._claim, self.callback = claim, address.rstrip("/") + CALLBACK
        self._found: tuple[float, dict[str, Any], KeySet] | None = None

    def __repr__(self) -> str:
        return f"Issuer({self._issuer})"

    def address(self, departure: Departure) -> str:
        """Where the browser goes.

        Raises:
            DependencyError: the issuer does not answer, or is another than the settings name.
        """
        said, _ = self._discovered()
        query = {
            "response_type": "code", "client_id": self._client, "redirect_uri": self.callback,
            "scope": "openid profile", "state": departure.state, "nonce": departure.nonce,
            "code_challenge": departure.challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        joint = "&" if urlsplit(said["authorization_endpoint"]).query else "?"
        return f"{said['authorization_endpoint']}{joint}{urlencode(query)}"

    def account(self, code: str, nonce: str, verifier: str) -> str | None:
        """The name of the account that somebody came back as; None where the issuer does not vouch for it.

        Raises:
            DependencyError: the issuer does not answer.
        """
        said, keys = self._discovered()
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.callback,
            "client_id": self._client, "code_verifier": verifier,
        }  # fmt: skip
        given = httpx.BasicAuth(self._client, self._secret) if self._secret else httpx.USE_CLIENT_DEFAULT
        try:
            with httpx.Client(timeout=WAIT_SECONDS, follow_redirects=False) as client:
                answer = client.post(said["token_endpoint"], data=form, auth=given)
        except httpx.HTTPError as error:
            raise DependencyError("issuer_silent") from error
        if answer.status_code != httpx.codes.OK:
            return None
        try:
            return self._vouched(answer.json()["id_token"], keys, nonce)
        except (ValueError, KeyError, TypeError):
            return None

    def _vouched(self, token: str, keys: KeySet, nonce: str) -> str | None:
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS, iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client}, exp={"essential": True}, iat={"essential": True},
            sub={"essential": True}, nonce={"essential": True, "value": nonce},
        )  # fmt: skip
        try:
            claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
            registry.validate(claims)
        except (JoseError, ValueError, TypeError):
            self._found = None  # a key that is not known yet is asked for at the next try
            return None
        if claims.get("azp", self._client) != self._client:
            return None
        name = claims.get(self._claim)
        return name if isinstance(name, str) and name else None

    def _discovered(self) -> tuple[dict[str, Any], KeySet]:
        if self._found is not None and time.monotonic() - self._found[0] < FRESH_SECONDS:
            return self._found[1], self._found[2]
        try:
            with httpx.Client(timeout=WAIT_SECONDS, follow_redirects=False) as client:
                said = client.get(f"{self._issuer}/.well-known/openid-configuration").raise_for_status().json()
                keys = KeySet.import_key_set(client.get(said["jwks_uri"]).raise_for_status().json())
            right = (
                said["issuer"].rstrip("/") == self._issuer and said["authorization_endpoint"] and said["token_endpoint"]
            )
        except (httpx.HTTPError, ValueError, KeyError, TypeError, JoseError) as error:
            raise DependencyError("issuer_silent") from error
        if not right:
            raise DependencyError("issuer_silent")
        self._found = (time.monotonic(), said, keys)
        return said, keys


def issuer(settings: Settings) -> Issuer | None:
    """The common sign-in, where issuer, client and the pages' own address are all set."""
    if not (settings.oidc_issuer and settings.oidc_client and settings.address):
        return None
    return Issuer(
        settings.oidc_issuer, settings.oidc_client, settings.oidc_secret, settings.address, settings.oidc_claim
    )
