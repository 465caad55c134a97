//! Locks that a panic in another thread does not make unusable.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`. A panic of an earlier holder is ignored, so this is for data that is whole after every statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
