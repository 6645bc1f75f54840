"""The client of a ledger: Fabric's Gateway protocol over interchangeable transports.

client, async_client          Gateway, AsyncGateway: what callers use
proposal, transaction, commit the stages; settlement: from a stage to a certain outcome; flows: without I/O
events, async_events          following a ledger; event_kinds, event_requests, checkpoints
connection, async_connection  who acts, how patiently; running flows
transport                     the seam: in-process (a node's), local, grpc_transport, grpc_async,
                              batched, batched_async, failover; addresses makes them of a URL
errors                        what can go wrong
"""
