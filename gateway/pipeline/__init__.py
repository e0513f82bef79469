"""What happens to a webhook, one file a step."""
