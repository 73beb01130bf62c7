"""HTTP/2 (RFC 9113) with HPACK (RFC 7541), for both ends of a connection: what etcd's client and the server share."""
