"""Where a call may say what. None of it is documented: these are the places where vendors of webhooks usually say it.

Tried in this order. A dot goes one object deeper.
"""

NAMES = ("event", "type", "event_type", "eventType", "event.type", "name")
NAME_HEADERS = ("x-harmony-event", "x-harmony-event-type", "x-webhook-event", "x-event-type", "x-event-name")

OBJECTS = ("data", "payload", "object", "resource")

# Ids of an event before those of a delivery, which may be of one attempt. A plain `id` may be the entity's. Not
# `webhook-id` and `x-webhook-id` either: with some vendors they name the subscription, and all events would be one.
EVENT_IDS = ("event_id", "eventId", "event.id", "delivery_id", "deliveryId")
EVENT_ID_HEADERS = ("x-harmony-event-id", "x-event-id", "x-harmony-delivery", "x-harmony-delivery-id")

TIMES = ("timestamp", "occurred_at", "occurredAt", "event.timestamp")
ENVELOPE_TIMES = (*TIMES, "created_at", "createdAt")  # in a bare object these two are the entity's own

TITLE = ("title", "subject", "name")
LINK = ("url", "link", "share_url", "shareUrl")
STARTED = ("started_at", "startedAt", "start_time", "startTime", "start")
ENDED = ("ended_at", "endedAt", "end_time", "endTime", "end")
PARTICIPANTS = ("participants", "attendees", "speakers")

# Harmony is not a scheduler: `booking.created` and the like are a scheduler's words, and not theirs to claim.
SCHEDULING = frozenset({"appointment", "booking", "event", "invitee", "reservation", "schedule", "slot"})
