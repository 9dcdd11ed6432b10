"""A small issuer of the common sign-in, in a thread: discovery, keys, and a token endpoint that holds to PKCE."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "zhouji-pages", "client secret"


@dataclass
class TestIssuer:
    """What the issuer knows: codes that it gave, and what it says of who came; tests bend `claims`."""

    __test__ = False
    address: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    signs_with: RSAKey | None = None
    who: str = "c1"
    claims: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    def authorize(self, address: str) -> tuple[str, str]:
        """What the authorization endpoint does once somebody has signed in there: a code and the state."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert query["response_type"] == "code" and query["code_challenge_method"] == "S256"
        code = f"code{len(self.codes)}"
        self.codes[code] = query
        return code, query["state"]

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        self.asked.append(form)
        given = self.codes.pop(form.get("code", ""), None)
        right = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if given is None or given["code_challenge"] != challenge or given["redirect_uri"] != form["redirect_uri"]:
            return None
        if authorization.removeprefix("Basic ").replace("%20", " ") != right:
            return None
        now = int(time.time())
        claims = {
            "iss": self.address, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 60, "nonce": given["nonce"],
            "preferred_username": self.who, **self.claims,
        }  # fmt: skip
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.signs_with or self.key)
        return {"access_token": "x", "token_type": "Bearer", "id_token": signed}


@contextmanager
def issuing() -> Iterator[TestIssuer]:
    known = TestIssuer()

    class Answers(BaseHTTPRequestHandler):
        def _say(self, status: int, content: object) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def do_GET(self) -> None:
            address = known.address
            discovery = {
                "issuer": address, "jwks_uri": f"{address}/keys", "authorization_endpoint": f"{address}/authorize",
                "token_endpoint": f"{address}/token",
            }  # fmt: skip
            self._say(200, {"keys": [known.key.as_dict(private=False)]} if self.path == "/keys" else discovery)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            answer = known.token(form, self.headers.get("authorization", ""))
            self._say(200 if answer else 400, answer or {"error": "invalid_grant"})

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    known.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()
