"""Radiographs and MR with a spinal implant or a scoliosis, of three sources that the label follows."""
