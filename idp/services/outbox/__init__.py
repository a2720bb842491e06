"""The outbox: what was decided is told to others, at least once, however long they are away."""

from idp.services.outbox.courier import Channel, Courier, Dropped, NotDelivered
from idp.services.outbox.outbox import Backlog, Message, Outbox

__all__ = ["Backlog", "Channel", "Courier", "Dropped", "Message", "NotDelivered", "Outbox"]
