"""HTTP pieces: ASGI on the way in, one client port on the way out.

Pure ASGI, no framework: these lie on the hot path of every model and tool call.
"""
