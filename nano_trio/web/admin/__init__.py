"""The admin listener: REST, JSON-RPC 2.0 over WebSocket, metrics and the dashboard, on a port of its own.

    AdminServer ─► one task a connection: http ─┬─ REST, page, metrics
                                                └─ upgrade ─► session: JSON-RPC, subscriptions
                            methods: the one table of what can be asked, for REST, RPC, OpenAPI and the command line
                            hosted:  answers it, from the running `Hosting`

What it may ask of the server is `operations.Operations`. `security` decides who may ask at all.
"""
