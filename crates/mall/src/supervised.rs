//! How `mall up` and a role that it started tell each other what matters: over a socket pair, one end of which is the
//! role's stdin.
//!
//! ```text
//!   supervisor ──── end of file: the supervisor is gone, so stop ────▶ role
//!              ◀─── one word: everything that my options name is there, and I serve ────
//! ```
//! The word is `r`, and in the order service's mouth the number of the next order behind it (`r7`).
//!
//! The kernel keeps the word until somebody reads it, so a role that writes it and dies at once has still written it. The
//! supervisor need not trust a log line, which a filter may hide, nor a port, on which another program may answer.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;

use rustix::fs::{FileType, fstat};
use tokio::net::UnixStream;

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

/// The longest word in bytes: `r` and a number.
const LONGEST_WORD: usize = 32;

/// What a role says when it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// The number that the next order gets; none if it is not known, or not the role's to know.
    pub next_order: Option<i64>,
}

/// The supervisor's end of the socket pair. The role stops when this is dropped.
#[derive(Debug)]
pub struct SupervisorEnd(UnixStream);

impl SupervisorEnd {
    /// A new socket pair: the supervisor's end, and the end that becomes the role's stdin. Must be called within a runtime.
    pub fn pair() -> std::io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok((Self(UnixStream::from_std(ours)?), theirs.into()))
    }

    /// Waits until the role says that it is ready; none if it has ended without a word.
    pub async fn ready(&self) -> Option<Ready> {
        let mut word = [0; LONGEST_WORD];
        loop {
            self.0.readable().await.ok()?;
            match self.0.try_read(&mut word) {
                // A role writes its word at once, and a socket pair of one machine passes so little on whole.
                Ok(length) => return Ready::from_word(&word[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
    }
}

impl Ready {
    fn from_word(word: &[u8]) -> Option<Self> {
        let number = std::str::from_utf8(word.strip_prefix(b"r")?).ok()?;
        let next_order = number.parse().ok();
        Some(Self { next_order })
    }

    fn word(self) -> String {
        match self.next_order {
            Some(next) => format!("r{next}"),
            None => "r".to_owned(),
        }
    }
}

/// Tells the supervisor, if there is one, that this role has everything that its options name, and serves.
pub fn tell_ready(ready: Ready) {
    if !is_supervised() {
        return;
    }
    let stdin = std::io::stdin();
    // A person who set the variable by hand has a terminal as stdin, not a socket.
    let is_socket = fstat(stdin.as_fd()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_socket());
    if is_socket {
        // A supervisor that is gone can't be told any more.
        let _ = rustix::io::write(stdin.as_fd(), ready.word().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[tokio::test]
    async fn what_was_said_before_the_end_is_heard_after_it() {
        for next_order in [None, Some(1), Some(i64::MAX)] {
            let (ours, theirs) = SupervisorEnd::pair().expect("a pair");
            let ready = Ready { next_order };
            let mut theirs = StdUnixStream::from(theirs);
            theirs.write_all(ready.word().as_bytes()).expect("written");
            drop(theirs);
            assert_eq!(ours.ready().await, Some(ready));
            assert_eq!(ours.ready().await, None, "it has ended");
        }
    }

    #[tokio::test]
    async fn a_child_that_ended_without_a_word_was_not_ready() {
        let (ours, theirs) = SupervisorEnd::pair().expect("a pair");
        drop(theirs);
        assert_eq!(ours.ready().await, None);
    }

    #[tokio::test]
    async fn the_child_sees_the_end_of_its_supervisor() {
        for said in [true, false] {
            let (ours, theirs) = SupervisorEnd::pair().expect("a pair");
            let mut theirs = StdUnixStream::from(theirs);
            if said {
                theirs.write_all(b"r").expect("written");
            }
            drop(ours);
            assert!(!matches!(theirs.read(&mut [0]), Ok(1)), "an error is an end, too");
        }
    }
}
