"""What a pass of ours over the graph of torch's compiler is."""

import inspect

from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files


class GraphPass(CustomGraphPass):
    """A pass whose version is the content of the file that has its class."""

    def uuid(self) -> bytes:
        """Tells compiled code in torch's cache from that of another version of this pass."""
        return get_hash_for_files((inspect.getfile(type(self)),))
