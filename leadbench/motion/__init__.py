"""Motion representation: quaternions, joints <-> features, mirroring, normalisation, motion files."""
