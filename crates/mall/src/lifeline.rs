//! What a supervisor and its child know of each other: a socket pair, one end of which is the child's stdin.
//!
//! ```text
//!   supervisor ──── end of file: the supervisor is gone, so drain ────▶ child
//!              ◀─── one byte: what my options name is there, and I serve ────
//! ```
//! The kernel keeps the byte until somebody reads it, so a child that says it and dies at once has still said it. Neither a
//! log line that somebody may filter nor a port that somebody else may answer on has to be trusted.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::{FileType, fstat};

use crate::shutdown::SUPERVISED;

/// The supervisor's end, held for as long as the child is to run.
#[derive(Debug)]
pub struct Lifeline(UnixStream);

impl Lifeline {
    /// Both ends; the second is to be the child's stdin.
    pub fn pair() -> std::io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok((Self(ours), theirs.into()))
    }

    /// Whether the child ever said that it was ready; to be asked once.
    pub fn was_ready(mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(1))
    }
}

/// Tells the supervisor, if there is one, that this role has all that its options name and serves.
pub fn tell_ready() {
    if std::env::var_os(SUPERVISED).is_none() {
        return;
    }
    let stdin = std::io::stdin();
    // Whoever set the variable by hand has a terminal there.
    let is_lifeline = fstat(stdin.as_fd()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_socket());
    if is_lifeline {
        // A supervisor that is gone has no use for it.
        let _ = rustix::io::write(stdin.as_fd(), b"r");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_was_said_before_the_end_is_heard_after_it() {
        let (ours, theirs) = Lifeline::pair().expect("a pair");
        let mut theirs = UnixStream::from(theirs);
        theirs.write_all(b"r").expect("written");
        drop(theirs);
        assert!(ours.was_ready());
    }

    #[test]
    fn a_child_that_ended_without_a_word_was_not_ready() {
        let (ours, theirs) = Lifeline::pair().expect("a pair");
        drop(theirs);
        assert!(!ours.was_ready());
    }

    #[test]
    fn the_child_sees_the_end_of_its_supervisor() {
        for said in [true, false] {
            let (ours, theirs) = Lifeline::pair().expect("a pair");
            let mut theirs = UnixStream::from(theirs);
            if said {
                theirs.write_all(b"r").expect("written");
            }
            drop(ours);
            assert!(!matches!(theirs.read(&mut [0]), Ok(1)), "an error is an end, too");
        }
    }
}
