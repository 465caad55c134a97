//! Journal rows as log records, and back.
