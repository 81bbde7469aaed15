"""The Keras backends: one class per backend behind one interface. No other package compares backend names."""
