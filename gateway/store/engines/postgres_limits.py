"""How long anything may take in PostgreSQL, and how a transaction that keeps to it begins.

Who has the turn to write keeps all others from it. The gateways meet no locks of each other's then, so one that is met
is a stranger's: somebody's open transaction, a change of a table.
"""

from psycopg.conninfo import conninfo_to_dict, make_conninfo

NETWORK = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""A host that is gone without a word is given up after a quarter of a minute, not after two hours. Seconds; the last
one milliseconds."""
TURN = 0x62776731_0001
"""The advisory lock of whose turn it is to write."""
LONGEST_STATEMENT = "30s"
FROZEN = "10s"
"""So long the server waits for one that has the turn and says nothing, frozen or cut off; then it ends its session."""
LONGEST_WAIT = "15s"
"""For the turn: longer than that, so that nobody is refused because another one froze."""
STRANGERS_LOCK = "2s"
"""For a lock that is met within the turn, and by readers."""
SECOND_WAIT = "200ms"
"""For each call by itself, once one of them met such a lock."""
MOST_HELD_UP = 4
"""So many calls of one kind find out by themselves whether they meet it too; the others take it for certain."""


def address(url: str) -> str:
    """Name the server with these limits, as far as the URL has none of its own."""
    return make_conninfo(url, **{name: value for name, value in NETWORK.items() if name not in conninfo_to_dict(url)})


def begin(wait: str | None = None) -> str:
    """Begin to write when it is our turn."""
    return (
        f"BEGIN; SET LOCAL statement_timeout = '{LONGEST_STATEMENT}';"
        f" SET LOCAL lock_timeout = '{wait or LONGEST_WAIT}';"
        f" SET LOCAL idle_in_transaction_session_timeout = '{FROZEN}';"
        " SET LOCAL enable_seqscan = off; SET LOCAL jit = off;"
        f" SELECT pg_advisory_xact_lock({TURN}); SET LOCAL lock_timeout = '{STRANGERS_LOCK}'; SAVEPOINT all_of_it"
    )


def end_who_froze() -> str:
    """End the session that has the turn and has waited for its gateway too long.

    The server's own limit does not reach one that was cut off between the commands of a pipeline: it counts as busy.
    """
    return (
        "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"  # noqa: S608 -- our numbers
        " WHERE locktype = 'advisory' AND granted"
        " AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        f" AND classid = {TURN >> 32} AND objid = {TURN & 0xFFFFFFFF} AND objsubid = 1"
        f" AND wait_event_type = 'Client' AND state_change < clock_timestamp() - interval '{FROZEN}'"
    )


def begin_again() -> str:
    """Take back all of it, and go on more impatiently."""
    return f"ROLLBACK TO SAVEPOINT all_of_it; SET LOCAL lock_timeout = '{SECOND_WAIT}'"


def begin_reading() -> str:
    """Begin to read, at one moment."""
    return (
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
        f" SET LOCAL statement_timeout = '{LONGEST_STATEMENT}'; SET LOCAL lock_timeout = '{STRANGERS_LOCK}'"
    )
