"""Setting up the training of OPQ's rotation."""

import faiss

from .layers import layers

_ITERATIONS = 20


def train_opq_for(index: faiss.Index, nbits: int, seed: int) -> list[faiss.ProductQuantizer]:
    """Let every OPQ in front of codes be trained for codes of this size, with the seed.

    Otherwise FAISS trains for 8 bits, which takes minutes in vain where codes have 4. Returns the
    quantizers, which the caller keeps until the training is over.
    """
    quantizers = []
    for layer in layers(index):
        if not isinstance(layer, faiss.IndexPreTransform):
            continue
        for place in range(layer.chain.size()):
            transform = faiss.downcast_VectorTransform(layer.chain.at(place))
            if isinstance(transform, faiss.OPQMatrix):
                quantizer = faiss.ProductQuantizer(transform.d_out, transform.M, nbits)
                quantizer.cp.seed = seed
                transform.pq = quantizer
                transform.niter = _ITERATIONS
                quantizers.append(quantizer)
    return quantizers
