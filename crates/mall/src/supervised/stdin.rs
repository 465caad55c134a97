//! What a role knows of the supervisor that has started it, and says to it: its end of the socket pair is its stdin.

use std::os::fd::AsFd;

use rustix::fs::{FileType, fstat};

/// The variable that `mall up` sets for the roles that it starts.
pub const SUPERVISED: &str = "MALL_SUPERVISED";

/// Whether this process was started by `mall up`.
pub fn is_supervised() -> bool {
    std::env::var_os(SUPERVISED).is_some()
}

/// What the variable holds in a role whose last process has ended.
pub const AGAIN: &str = "again";

/// Whether `mall up` has started this role before, and that process has ended.
pub fn is_started_again() -> bool {
    std::env::var_os(SUPERVISED).is_some_and(|value| value == AGAIN)
}

/// What a role says when it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// The number that the next order gets; none if it is not known, or not the role's to know.
    pub next_order: Option<i64>,
}

impl Ready {
    pub(super) fn from_word(word: &str) -> Option<Self> {
        let next_order = word.strip_prefix('r')?.parse().ok();
        Some(Self { next_order })
    }

    pub(super) fn word(self) -> String {
        match self.next_order {
            Some(next) => format!("r{next}\n"),
            None => "r\n".to_owned(),
        }
    }
}

/// Tells the supervisor, if there is one, that this role has everything that its options name, and serves.
pub fn tell_ready(ready: Ready) {
    tell(&ready.word());
}

/// Writes a line to the supervisor. Answers whether there is one.
pub(super) fn tell(line: &str) -> bool {
    let stdin = std::io::stdin();
    // A person who set the variable by hand has a terminal as stdin, not a socket.
    let is_socket = || fstat(stdin.as_fd()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_socket());
    // A socket pair of one machine passes so little on whole. A supervisor that is gone can't be told any more.
    is_supervised() && is_socket() && rustix::io::write(stdin.as_fd(), line.as_bytes()) == Ok(line.len())
}
