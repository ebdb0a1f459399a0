"""Readers and writers: model files to and from reaction networks."""

if __name__ == "importers":
    raise ImportError("import this package as 'kinetix.importers': a bare import makes a second copy of every class")
