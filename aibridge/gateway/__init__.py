"""The room that faces the clients: routes, identity, interception, relay, passthrough, health."""
