"""A program without a user: it gets a token with client credentials and calls the orders API.

Run it beside `make demo`, which prints the command.
"""

import os
import sys

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session

ISSUER = "http://localhost:8000"
CLIENT_ID = "demo-service"
CLIENT_SECRET = "demo-service-secret-0123456789abcdef"
ORDERS_URL = "http://localhost:9001/orders"
TIMEOUT_SECONDS = 10


def main() -> int:
    """Print what the API answers; 0 if it answered 200."""
    issuer = os.environ.get("OIDC_ISSUER", ISSUER)
    try:
        metadata = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=TIMEOUT_SECONDS).json()
        client = OAuth2Session(
            os.environ.get("OIDC_CLIENT_ID", CLIENT_ID),
            os.environ.get("OIDC_CLIENT_SECRET", CLIENT_SECRET),
            scope="orders:read",
        )
        # RFC 8707: name the API the token is for.
        token = client.fetch_token(metadata["token_endpoint"], resource="https://orders.example.com")
        print(f"token for scope '{token['scope']}', valid for {token['expires_in']} seconds")
        response = client.get(os.environ.get("ORDERS_URL", ORDERS_URL), timeout=TIMEOUT_SECONDS)
    except (requests.RequestException, AuthlibBaseError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    print(response.status_code, response.text)
    return 0 if response.ok else 1


if __name__ == "__main__":
    sys.exit(main())
