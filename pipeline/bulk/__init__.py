"""Many studies answered by one model, in bounded memory: what `spine predict MODEL --studies` does.

    studies.py    a tree or a table of files -> studies; paths.py: any of their names as text
    shard.py      which of them one of several machines answers
    reading.py    their pictures, read ahead on threads; archive.py: of a DICOMweb archive
    batches.py    pictures of several studies that go into one request
    tables.py     answers -> Parquet; parts.py: written a part at a time, each whole or not there
    loop.py       studies in, parts out; predict.py: all of it for one shard; jobs.py: shards as jobs of an executor

Importing this package imports no framework.
"""
