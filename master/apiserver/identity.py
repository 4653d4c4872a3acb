"""``/.well-known/openid-configuration`` and ``/openid/v1/jwks``: by these others can check our tokens themselves.

Source: OpenID Connect Discovery 1.0, section 4; k8s.io/kubernetes, pkg/serviceaccount/openidmetadata.go.
"""

from functools import cached_property

from api.codec import encode
from master.apiserver.authentication.service_accounts import ServiceAccountTokens
from master.apiserver.http.message import Request, Response
from master.apiserver.routing import nowhere

CONFIGURATION, KEYS = (".well-known", "openid-configuration"), ("openid", "v1", "jwks")
_KEPT = (("Cache-Control", "public, max-age=3600"),)


class OpenIdDocuments:
    """Both documents, made when one is first asked for. ``address``: where clients reach this server, as host:port."""

    def __init__(self, tokens: ServiceAccountTokens, address: str) -> None:
        self._tokens = tokens
        self._address = address

    @cached_property
    def _answers(self) -> dict[tuple[str, ...], Response]:
        key = self._tokens.key
        configuration = {
            "issuer": self._tokens.issuer,
            "jwks_uri": f"https://{self._address}/{'/'.join(KEYS)}",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [key.algorithm],
        }
        keys = encode({"keys": [key.jwk()]})
        return {
            CONFIGURATION: Response(200, encode(configuration), headers=_KEPT),
            KEYS: Response(200, keys, content_type="application/jwk-set+json", headers=_KEPT),
        }

    def answer(self, request: Request) -> Response:
        """Raises NotFound."""
        found = self._answers.get(request.segments)
        if found is None:
            raise nowhere()
        return found
