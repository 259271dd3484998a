"""Several gateways over the same slots: one controller decides what is loaded, gateways borrow.

A request that finds a loan begins without a word to the controller, which is told afterwards. Every
other one waits in the controller's queues, which are those of a gateway that is alone
(`orchestrator.residency.scheduler`).
"""
