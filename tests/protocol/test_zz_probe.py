"""Like the dynamic plan."""
import json, jwt, pytest, time
from tests.helpers.backends import SQLITE
from tests.helpers.registrant import Registrant
from tests.helpers.relying_party import PrivateKey, RelyingParty
from tests.protocol.conftest import OPEN
from tests.protocol.request_server import request_site
from tests.protocol.expectations import *

def test_dyn(special_servers):
    s = special_servers("probe", SQLITE, **OPEN, IDP_REGISTRATION__REQUIRE_PKCE="false", IDP_FEATURES__REQUEST_URI="true", IDP_FEATURES__UNSIGNED_REQUEST_OBJECTS="true")
    reg = Registrant(s)
    key = PrivateKey.generate("RS256")
    person = s.create_user()
    with request_site() as site:
        info = reg.register(client_name="suite x", redirect_uris=["https://app.example/test/a/idp/callback?dummy1=lorem"], grant_types=["authorization_code", "implicit", "refresh_token"],
            response_types=["code id_token", "code"], token_endpoint_auth_method="private_key_jwt", jwks={"keys": [{k:v for k,v in key.jwk.items()}]},
            contacts=["a@b.example"], subject_type="pairwise", userinfo_signed_response_alg="RS256", id_token_signed_response_alg="RS256", request_uris=[site.uri], request_object_signing_alg="none")
        print(json.dumps(info, indent=1))
        party = RelyingParty(s.issuer, info["client_id"], private_key=key)
        party.redirect_uri = info["redirect_uris"][0]
        b = s.browser()
        for rt in ("code", "code id_token"):
            now = int(time.time())
            site.body = jwt.encode({"client_id": party.client_id, "iss": party.client_id, "aud": s.issuer, "iat": now, "exp": now+300, "response_type": rt, "redirect_uri": party.redirect_uri, "scope": "openid offline_access", "state": "s", "nonce": "n"}, "", algorithm="none").encode()
            r = party.authorization_request("openid", response_type=rt, code_challenge=None, request_uri=site.uri, state=None, nonce=None, redirect_uri=None)
            cb = b.callback(r.url, person)
            print(cb.mode, cb.url[:80], cb.params.keys())
            t = party.token({"grant_type": "authorization_code", "code": cb["code"], "redirect_uri": party.redirect_uri})
            print(t.status_code, t.json().keys())
            print(party.userinfo(t.json()["access_token"]).headers["content-type"])
            print(party.refresh(t.json()["refresh_token"]).status_code)
        r = party.authorization_request("openid", code_challenge=None, prompt="none", max_age="10000", display="popup", acr_values="1 2", ui_locales="se", claims_locales="se", login_hint="x", id_token_hint=t.json()["id_token"], extra="foobar")
        print(b.callback(r.url).params.keys())
        r = party.authorization_request("openid", code_challenge=None, claims=json.dumps({"userinfo": {"name": {"essential": True}}}))
        print(b.callback(r.url, person).params.keys())
