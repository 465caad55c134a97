//! Group commit: whoever waits while a batch runs forms the next one.
