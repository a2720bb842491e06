"""kill -9 in the middle of an erasure, or of a copy: whoever comes next finishes it."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import insert

from idp.core.clock import now
from idp.core.randomness import new_id
from idp.storage.db import transaction
from idp.storage.tables import AuditEvent
from tests.conftest import StartServer
from tests.faults.stopwatch import eventually
from tests.helpers.browser import Person
from tests.helpers.processes import start, stopping
from tests.helpers.server import Server, clean_environment
from tests.privacy.canaries import everything_stored

pytestmark = pytest.mark.faults

#: Each worker dies at another moment: a line is printed before every statement, and the test kills at one of them.
WORKER = """
import sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
import time

@event.listens_for(Engine, "before_cursor_execute")
def say(connection, cursor, statement, *rest):
    print(statement.split()[0], flush=True)
    time.sleep(0.005)

from idp.cli import main
main(["worker", "--once"])
"""


def killed_at(server: Server, tmp_path: Path, statements: int) -> bool:
    """Run a worker and kill it after so many statements; False if it was done before that."""
    said = tmp_path / f"worker-{statements}"
    process = start([sys.executable, "-c", WORKER], said, env=clean_environment(server.settings), cwd=server.directory)
    with stopping(process):
        eventually(lambda: process.poll() is not None or said.read_text().count("\n") >= statements, 60)
        if process.poll() is not None:
            return False
        os.kill(process.pid, signal.SIGKILL)
        eventually(lambda: process.poll() is not None)
    return True


def busy(server: Server, events: int = 300) -> Person:
    person = server.create_user()
    rows = [
        {"id": new_id(), "at": now(), "event": "session:started", "actor": f"user:{person.id}", "user_id": person.id,
         "details": {"number": number}}
        for number in range(events)
    ]  # fmt: skip
    with server.administrator.provider(), transaction() as connection:
        connection.execute(insert(AuditEvent), rows)
    return person


@pytest.mark.slow
def test_a_killed_erasure_is_finished(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(IDP_PRIVACY__DELETION_DELAY="0", IDP_PRIVACY__ERASED_LIST=str(tmp_path / "erased"))
    person = busy(server)
    with server.administrator.provider() as provider:
        provider.leaving.request_deletion(person.id)
        gone = False
        kills = 0
        for statements in range(15, 400, 23):
            if not killed_at(server, tmp_path, statements):
                gone = True
                break
            kills += 1
            user = provider.users.get(person.id)
            if user is None:
                break
            assert user.status == "deleting"
            # The lease of the dead worker is its own for a while.
            provider.durable.delete("lease:maintenance")
        assert kills >= 3
        deadline = time.monotonic() + 60
        while provider.users.get(person.id) is not None:
            assert time.monotonic() < deadline
            provider.eraser.erase_due(now())
        assert gone or provider.users.get(person.id) is None
        provider.courier.deliver()
        provider.eraser.purge()
        stored = everything_stored(server.backend.redis_url)
        assert person.id not in stored
        assert person.email not in stored
        provider.audit.seal()
        assert provider.evidence.verify().is_intact
