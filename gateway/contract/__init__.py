"""What a plugin author and a consumer read: the events, the provider, its signatures, its errors."""
