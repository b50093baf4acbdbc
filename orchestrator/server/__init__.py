"""Composed systems behind one OpenAI-compatible endpoint: `serve.serve` runs it, `app.create_app` builds it."""
