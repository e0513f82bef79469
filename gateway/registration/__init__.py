"""The webhooks that exist at providers."""
