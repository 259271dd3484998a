"""Reports of evaluations that the console shows, from a folder of the configuration.

`folder` reads them and lets nothing else out, `pictures` takes those that lie inside a page, and
`routes` are their endpoints.
"""
