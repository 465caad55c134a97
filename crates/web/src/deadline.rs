//! Bounds the time of a call to the database.

use std::time::Duration;

use shop::store::{Result, StoreError};

/// The result of a call to the store; [`Unavailable`](StoreError::Unavailable) if it takes longer than `deadline`.
pub(super) async fn within<T>(deadline: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
    let late = || StoreError::Unavailable(format!("the database has not answered within {deadline:?}"));
    let answer = tokio::time::timeout(deadline, call).await;
    answer.unwrap_or_else(|_| Err(late()))
}
