//! From when on orders are judged.

use std::str::FromStr;
use std::time::SystemTime;

use anyhow::{Result, anyhow};
use keylane_log::Timestamp;
use shop::domain::Source;
use shop::rfc3339;

use super::sources::Sources;
use crate::clock;

/// From when on orders are judged.
#[derive(Debug, Clone, Copy)]
pub enum Since {
    /// From this moment on, which can also be given as a time ago.
    Moment(Timestamp),
    /// From the last time that somebody started the order service, by `mall up` or `mall order`. That the supervisor starts it
    /// again after a crash doesn't count.
    LastStart,
}

impl Since {
    /// The moment, if one was given.
    pub fn moment(self) -> Option<Timestamp> {
        match self {
            Self::Moment(moment) => Some(moment),
            Self::LastStart => None,
        }
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "last-start" {
            return Ok(Self::LastStart);
        }
        if let Ok(ago) = humantime::parse_duration(text) {
            let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
            return Ok(Self::Moment(Timestamp(clock::now().0.saturating_sub(ago))));
        }
        let moment: SystemTime = humantime::parse_rfc3339_weak(text)
            .map_err(|_| "allowed: a time ago (10m, 2h), a moment in UTC (2025-06-12T03:05:12Z), or last-start")?;
        let (moment, now) = (Timestamp::from(moment), clock::now());
        if moment > now {
            return Err(format!("it lies in the future: it is {} now", rfc3339(now)));
        }
        Ok(Self::Moment(moment))
    }
}

/// When the order service was last started.
pub fn last_start(sources: &Sources) -> Result<Timestamp> {
    let noted = sources.of_orders(|store| store.last_start(Source::Orders))?;
    noted.ok_or_else(|| {
        anyhow!(
            "--since last-start: no start of the order service is noted in its database; it notes each, from its next start \
             on; until then give a time (--since 10m)"
        )
    })
}
