"""FusionRoute: a small model corrects, token by token, the expert that it chooses."""
