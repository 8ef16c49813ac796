"""Bases that no Keras offers by a function, each built alike with Keras 3 (`keras`) and Keras 2 (`tf_keras`)."""
