"""When self-registered clients were last used, so that those whom nobody uses can go."""

import time
from collections import OrderedDict
from datetime import datetime, timedelta
from threading import Lock

from idp.core.clock import now
from idp.core.errors import NotFound
from idp.identity.clients import rows
from idp.identity.clients.client import Client
from idp.identity.clients.registry import ClientRegistry
from idp.storage.batches import BATCH, PAUSE_SECONDS
from idp.storage.db import reading, transaction

GRANULARITY = timedelta(days=1)
"""A use is written down at most so often for each client."""
_REMEMBERED = 10_000


class ClientUsage:
    """Notes that clients are used, and deletes those that are not."""

    def __init__(self, clients: ClientRegistry) -> None:
        self._clients = clients
        self._noted: OrderedDict[str, datetime] = OrderedDict()
        self._lock = Lock()

    def note(self, client: Client) -> None:
        """The client has just been used. Costs others nothing, and self-registered ones a write a day."""
        if not client.is_self_registered:
            return
        at = now()
        # The record in memory may be older than what another process wrote: once a day and process at worst.
        known = max(self._noted.get(client.client_id, client.created_at), client.last_used_at or client.created_at)
        if at - known < GRANULARITY:
            return
        with self._lock:
            self._noted[client.client_id] = at
            if len(self._noted) > _REMEMBERED:
                self._noted.popitem(last=False)
        with transaction() as connection:
            rows.note_use(connection, client.client_id, at)

    def delete_unused(self, before: datetime) -> int:
        """Delete the self-registered clients that nobody has used since `before`; returns how many."""
        total = 0
        while True:
            with reading() as connection:
                found = rows.find_unused(connection, before, BATCH)
            total += sum(self._delete_if_unused(client_id, before) for client_id in found)
            if len(found) < BATCH:
                return total
            time.sleep(PAUSE_SECONDS)

    def _delete_if_unused(self, client_id: str, before: datetime) -> bool:
        try:
            with transaction() as connection:
                # Somebody may have used it since we looked.
                if not rows.lock_client(connection, client_id) or not rows.is_unused(connection, client_id, before):
                    return False
                self._clients.delete(client_id, actor="system", reason="unused")
        except NotFound:
            return False
        return True
