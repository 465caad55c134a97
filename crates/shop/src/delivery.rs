//! What the delivery service does with a record.
