"""`spine serve`: models answered over TF Serving's REST and gRPC protocols, where no TF Serving is at hand.

sources.py    files and directories -> names and directories of models
servables.py  versions found on disk, loaded and unloaded; servable.py: one of them
prediction.py what a request asks for, checked, batched (batching.py) and answered; pictures.py: bounds on images
rest.py       the REST API; json_request.py and json_answer.py: its two formats
grpc_services.py  the gRPC API
server.py     both at their ports, until a signal; token.py: who may ask
"""

from pipeline.server.limits import Limits
from pipeline.server.server import Server
from pipeline.server.sources import Source, sources_of

__all__ = ["Limits", "Server", "Source", "sources_of"]
