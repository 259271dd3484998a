"""Who would be asked, and what another price would choose, without asking anybody.

`routes` is the endpoint, `weights` goes through the weights of the price.
"""
