"""The bodies of the protocols that agents speak: Responses of OpenAI, Messages of Anthropic."""
