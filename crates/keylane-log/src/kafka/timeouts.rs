//! How long calls to the brokers wait.

use std::time::Duration;

/// Timeout of a call to the brokers that was given none by the caller.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeouts of the first tries of a call, before it is tried for all the time that is left. The first is long enough to
/// hear of a refused password, although brokers hold back that answer for a tenth of a second.
pub(super) const FIRST_TRIES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(700)];
