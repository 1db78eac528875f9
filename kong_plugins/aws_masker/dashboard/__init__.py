"""The dashboard: what the gateway and the proxies do, in a browser."""
