//! sqlite adapter
