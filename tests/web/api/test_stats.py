"""/v1/stats: counts that add up."""

from tests.web.conftest import Gateway


async def test_nothing_happened_is_a_count_too(gateway: Gateway) -> None:
    stats = await gateway.get("/v1/stats")
    assert stats["receipts"] == {"understood": 0, "quarantined": 0, "held": 0, "discarded": 0, "duplicates": 0}
    assert (stats["events"], stats["deliveries"], stats["refused"]) == (0, {}, {})


async def test_refused_calls_are_counted_by_reason_though_nothing_of_them_is_kept(gateway: Gateway) -> None:
    await gateway.connect()
    url = (await gateway.get("/v1/url"))["inbound_url"]
    assert (await gateway.http.post(f"{url.rpartition('/')[0]}/{'x' * 43}", content=b"{}")).status_code == 404
    for _ in range(2):
        packed = await gateway.http.post(url, content=b"{}", headers={"content-encoding": "gzip"})
        assert packed.status_code == 415
    stats = await gateway.get("/v1/stats")
    assert {reason: one["count"] for reason, one in stats["refused"].items()} == {"token": 1, "encoding": 2}
    assert stats["receipts"]["understood"] == 0


async def test_the_counts_say_what_became_of_every_call(gateway: Gateway) -> None:
    made = await gateway.connect()
    url = made["inbound_url"]
    destination = await gateway.post("/v1/destinations", {"url": "https://consumer.example"}, 201)
    for booking in ("b1", "b2", "b2"):
        await gateway.says(url, booking=booking)
    gateway.talking.understands = False
    kept, thrown = [(await gateway.says(url, booking=booking))["receipt"] for booking in ("b3", "b4")]
    assert (await gateway.http.delete(f"/v1/quarantine/{thrown}")).status_code == 204
    stats = await gateway.get("/v1/stats")
    assert stats["receipts"] == {"understood": 2, "quarantined": 1, "held": 0, "discarded": 1, "duplicates": 1}
    assert stats["events"] == 2
    assert stats["deliveries"] == {destination["id"]: {"pending": 2, "delivered": 0, "dead": 0, "skipped": 0}}
    assert kept != thrown
