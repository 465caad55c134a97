//! The HTTP side of both services.
