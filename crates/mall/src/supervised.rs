//! How `mall up` and a role that it started tell each other what matters: over a socket pair, one end of which is the
//! role's stdin.
//!
//! ```text
//!   supervisor ──── end of file: the supervisor is gone, so stop ────▶ role
//!              ◀─── one byte: everything that my options name is there, and I serve ────
//! ```
//! The kernel keeps the byte until somebody reads it, so a role that writes it and dies at once has still written it. The
//! supervisor need not trust a log line, which a filter may hide, nor a port, on which another program may answer.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

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

/// The supervisor's end of the socket pair. The role stops when this is dropped.
#[derive(Debug)]
pub struct SupervisorEnd(UnixStream);

impl SupervisorEnd {
    /// A new socket pair: the supervisor's end, and the end that becomes the role's stdin.
    pub fn pair() -> std::io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok((Self(ours), theirs.into()))
    }

    /// Whether the role wrote that it was ready. It is asked after the role has ended.
    pub fn was_ready(mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(1))
    }
}

/// Tells the supervisor, if there is one, that this role has everything that its options name, and serves.
pub fn tell_ready() {
    if !is_supervised() {
        return;
    }
    let stdin = std::io::stdin();
    // A person who set the variable by hand has a terminal as stdin, not a socket.
    let is_socket = fstat(stdin.as_fd()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_socket());
    if is_socket {
        // A supervisor that is gone can't be told any more.
        let _ = rustix::io::write(stdin.as_fd(), b"r");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_was_said_before_the_end_is_heard_after_it() {
        let (ours, theirs) = SupervisorEnd::pair().expect("a pair");
        let mut theirs = UnixStream::from(theirs);
        theirs.write_all(b"r").expect("written");
        drop(theirs);
        assert!(ours.was_ready());
    }

    #[test]
    fn a_child_that_ended_without_a_word_was_not_ready() {
        let (ours, theirs) = SupervisorEnd::pair().expect("a pair");
        drop(theirs);
        assert!(!ours.was_ready());
    }

    #[test]
    fn the_child_sees_the_end_of_its_supervisor() {
        for said in [true, false] {
            let (ours, theirs) = SupervisorEnd::pair().expect("a pair");
            let mut theirs = UnixStream::from(theirs);
            if said {
                theirs.write_all(b"r").expect("written");
            }
            drop(ours);
            assert!(!matches!(theirs.read(&mut [0]), Ok(1)), "an error is an end, too");
        }
    }
}
