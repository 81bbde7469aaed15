"""The Keras backends. This is the only package that tells them apart: one class per backend behind one interface."""
