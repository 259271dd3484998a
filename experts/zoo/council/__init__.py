"""The council: small models that all know the same three skills half well, for panels to pay on."""
