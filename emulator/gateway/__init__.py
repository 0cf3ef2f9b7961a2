"""How clients reach the local Google Cloud without knowing it.

* `proxy` – the CONNECT proxy and what it leads to. Start here.
* `authority` – the certificate authority of this checkout.
* `http` – HTTP/1.1.
* `launch`, `bridge` – gRPC, translated to REST in a process of its own.
"""
