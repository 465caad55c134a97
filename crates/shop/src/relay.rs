//! The relay: publishes what stands in a journal.
