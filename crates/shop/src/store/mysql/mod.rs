//! mysql adapter
