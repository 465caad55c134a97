//! How `mall up` and a role that it started tell each other what matters: over a socket pair, one end of which is the
//! role's stdin.
//!
//! ```text
//!   supervisor ──── lines of JSON, to the gateway alone; end of file: the supervisor is gone, so stop ────▶ role
//!              ◀─── `r`: everything that my options name is there, and I serve; the gateway then writes wishes ────
//! ```
//! The first line is `r`, and in the order service's mouth the number of the next order behind it (`r7`). What the gateway and
//! the supervisor say to each other after that is in [`words`].
//!
//! The kernel keeps the line until somebody reads it, so a role that writes it and dies at once has still written it. The
//! supervisor need not trust a log line, which a filter may hide, nor a port, on which another program may answer.

mod link;
mod stdin;
pub mod words;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

pub use link::{Link, watch};
pub use stdin::{AGAIN, Ready, SUPERVISED, is_started_again, is_supervised, tell_ready};

/// The longest line that is read, in bytes.
const LONGEST_LINE: u64 = 64 * 1024;

/// The supervisor's end of the socket pair. The role stops when this is dropped, with all that it was split into.
#[derive(Debug)]
pub struct SupervisorEnd(UnixStream);

/// What the role says.
#[derive(Debug)]
pub struct FromRole {
    socket: BufReader<OwnedReadHalf>,
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
}

/// Where the role hears.
#[derive(Debug)]
pub struct ToRole(OwnedWriteHalf);

impl SupervisorEnd {
    /// A new socket pair: the supervisor's end, and the end that becomes the role's stdin. Must be called within a runtime.
    pub fn pair() -> std::io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok((Self(UnixStream::from_std(ours)?), theirs.into()))
    }

    /// Its two directions.
    pub fn split(self) -> (FromRole, ToRole) {
        let (read, write) = self.0.into_split();
        let said = FromRole {
            socket: BufReader::new(read),
            begun: Vec::new(),
        };
        (said, ToRole(write))
    }
}

impl FromRole {
    /// Waits until the role says that it is ready; none if it has ended without a word.
    pub async fn ready(&mut self) -> Option<Ready> {
        Ready::from_word(&self.line().await?)
    }

    /// Waits for the next line; none if the role has ended. Nothing is lost if the waiting is given up.
    pub async fn line(&mut self) -> Option<String> {
        let mut socket = (&mut self.socket).take(LONGEST_LINE);
        socket.read_until(b'\n', &mut self.begun).await.ok()?;
        let mut line = std::mem::take(&mut self.begun);
        match line.pop() {
            Some(b'\n') => String::from_utf8(line).ok(),
            _ => None,
        }
    }
}

impl ToRole {
    /// Tells the role something. A role that has ended hears it no more.
    pub async fn say(&mut self, told: &words::Told) {
        let line = serde_json::to_string(told).expect("it has no maps") + "\n";
        let _ = self.0.write_all(line.as_bytes()).await;
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
            theirs.write_all(b"{\"id\":1}\n{\"half").expect("written");
            drop(theirs);
            let (mut said, _) = ours.split();
            assert_eq!(said.ready().await, Some(ready));
            assert_eq!(said.line().await.as_deref(), Some("{\"id\":1}"));
            assert_eq!(said.line().await, None, "it has ended in the midst of a line");
        }
    }

    #[tokio::test]
    async fn a_child_that_ended_without_a_word_was_not_ready() {
        let (ours, theirs) = SupervisorEnd::pair().expect("a pair");
        drop(theirs);
        assert_eq!(ours.split().0.ready().await, None);
    }

    #[tokio::test]
    async fn the_child_sees_the_end_of_its_supervisor() {
        for said in [true, false] {
            let (ours, theirs) = SupervisorEnd::pair().expect("a pair");
            let mut theirs = StdUnixStream::from(theirs);
            if said {
                theirs.write_all(b"r\n").expect("written");
            }
            drop(ours);
            assert!(!matches!(theirs.read(&mut [0]), Ok(1)), "an error is an end, too");
        }
    }
}
