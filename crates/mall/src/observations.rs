//! Reads what a role sees happen, as it tells on `GET /observations`. Reading blocks, and breaks off for a moment if nothing comes.
//!
//! # Invariants
//! * Nothing that comes is lost or read twice over such a break.
//! * A line has a bound, whoever may answer there.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use observe::Observation;
use serde_json::Value;

/// How long connecting may take, and then the beginning of the answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest line, in bytes.
const LONGEST: u64 = 1 << 20;

/// A stream of observations.
#[derive(Debug)]
pub struct Observations {
    stream: BufReader<TcpStream>,
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
    /// The id of what is being read.
    id: String,
    /// The id of the last observation that was read.
    last: Option<String>,
}

/// What comes.
#[derive(Debug)]
pub enum Told {
    /// Whose observations these are.
    Is(String),
    /// Something that was seen.
    Seen(Observation),
    /// So many are gone; none if nobody can tell.
    Missed(Option<u64>),
    /// Nothing, for as long as was waited.
    Nothing,
}

impl Observations {
    /// Listens to the role at `address`, from behind the observation with the id `after` on (`0`: from the first that is kept).
    /// Reading breaks off whenever nothing comes for `patience`; without one it waits.
    ///
    /// # Errors
    /// Nobody answers there, or not with observations.
    pub fn of(address: SocketAddr, after: &str, patience: Option<Duration>) -> std::io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
        stream.set_read_timeout(Some(CONNECT_TIMEOUT))?;
        stream.set_write_timeout(Some(CONNECT_TIMEOUT))?;
        // In the older version of the protocol an answer of unknown length is not cut into pieces.
        write!(
            stream,
            "GET /observations?after={after} HTTP/1.0\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n"
        )?;
        let mut observations = Self {
            stream: BufReader::new(stream),
            begun: Vec::new(),
            id: String::new(),
            last: None,
        };
        let head = observations.line()?.ok_or(ErrorKind::UnexpectedEof)?;
        if head.split(' ').nth(1) != Some("200") {
            return Err(Error::new(ErrorKind::InvalidData, head));
        }
        observations.stream.get_ref().set_read_timeout(patience)?;
        Ok(observations)
    }

    /// The id of the last observation that was read.
    pub fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// The next that comes; none once the stream has ended.
    ///
    /// # Errors
    /// It breaks off.
    pub fn next(&mut self) -> std::io::Result<Option<Told>> {
        loop {
            let line = match self.line() {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(None),
                Err(error) if is_silence(&error) => return Ok(Some(Told::Nothing)),
                Err(error) => return Err(error),
            };
            match line.split_once(": ") {
                Some(("id", id)) => self.id = id.to_owned(),
                Some(("data", data)) => {
                    if let Some(told) = self.told(data) {
                        return Ok(Some(told));
                    }
                }
                Some(("", name)) => return Ok(Some(Told::Is(name.to_owned()))),
                _ => {}
            }
        }
    }

    fn told(&mut self, data: &str) -> Option<Told> {
        if let Ok(seen) = serde_json::from_str(data) {
            self.last = Some(std::mem::take(&mut self.id));
            return Some(Told::Seen(seen));
        }
        let data: Value = serde_json::from_str(data).ok()?;
        Some(Told::Missed(data.get("missed")?.as_u64()))
    }

    /// The next line; none at the end. What was read of a line before an error is kept.
    fn line(&mut self) -> std::io::Result<Option<String>> {
        let room = LONGEST - self.begun.len() as u64;
        (&mut self.stream).take(room).read_until(b'\n', &mut self.begun)?;
        match self.begun.last() {
            Some(b'\n') => {
                let line = std::mem::take(&mut self.begun);
                let line = String::from_utf8(line).map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
                Ok(Some(line.trim_end().to_owned()))
            }
            Some(_) if self.begun.len() as u64 >= LONGEST => Err(ErrorKind::InvalidData.into()),
            _ => Ok(None),
        }
    }
}

/// Whether an error says that nothing came in time.
pub fn is_silence(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn pieces_of_a_stream_are_read_whole_whatever_breaks_them_up() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let server = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("a client");
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut piece = [0; 512];
                let read = client.read(&mut piece).expect("a request");
                asked.extend_from_slice(&piece[..read]);
            }
            let mut tell = |text: &str| client.write_all(text.as_bytes()).expect("it reads");
            tell(
                "HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: delivery-1\nretry: 1000\n\nid: 17-2\nevent: st",
            );
            wait.recv().expect("a word");
            tell(
                "opped\ndata: {\"seq\":2,\"at\":5,\"who\":\"delivery-1\",\"what\":\"stopped\"}\n\nevent: missed\ndata: {\"missed\":3}\n\n",
            );
        });
        let mut read = Observations::of(address, "0", Some(Duration::from_millis(20))).expect("a stream");
        let next = |read: &mut Observations| loop {
            match read.next().expect("it goes on").expect("something") {
                Told::Nothing => {}
                told => break told,
            }
        };
        assert!(matches!(next(&mut read), Told::Is(name) if name == "delivery-1"));
        assert!(matches!(read.next(), Ok(Some(Told::Nothing))));
        assert_eq!(read.last(), None);
        go_on.send(()).expect("it waits");
        assert!(matches!(next(&mut read), Told::Seen(seen) if seen.seq == 2));
        assert_eq!(read.last(), Some("17-2"));
        assert!(matches!(next(&mut read), Told::Missed(Some(3))));
        server.join().expect("it has ended");
        assert!(matches!(read.next(), Ok(None)));
    }
}
