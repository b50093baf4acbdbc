"""Programs that are run on tests: what they return comes out as plain values and is compared out here."""
