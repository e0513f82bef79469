"""The only code that knows Litestar."""
