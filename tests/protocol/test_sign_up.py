"""Registration through HTTP: an address is proven first, and the account is made after that."""

from idp.identity.directory.users import User
from tests.helpers.newcomer import Newcomer
from tests.helpers.server import Server
from tests.protocol.expectations import on_each_backend


def find(server: Server, address: str) -> User | None:
    with server.administrator.provider() as provider:
        return provider.users.find_by_email(address)


@on_each_backend
def test_an_address_is_proven_and_then_there_is_an_account(server: Server) -> None:
    ann = Newcomer(server)
    waiting = ann.fill_in(ann.browser.page("/register"), name="Ann Example")
    assert waiting.data_page == "verify-email"
    assert ann.address in waiting.text
    assert find(server, ann.address) is None
    home = ann.enter(waiting)
    assert home.data_page == "home"
    assert "Ann Example" in home.text
    user = find(server, ann.address)
    assert user is not None
    assert user.email_verified
    assert user.locale == "en"
