"""The digits: data, flow model, classifiers and judges."""
