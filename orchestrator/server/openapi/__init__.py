"""The OpenAPI document, made of the types that requests are read with and answers are made of."""
