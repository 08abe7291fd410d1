"""Chat completions: a model or a gateway is asked with all that was said before, and answers on OpenAI's wire."""
