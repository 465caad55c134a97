//! Server-sent events, as a client of a role or of the gateway hears them.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::PATIENCE;
use super::role::Role;

/// A client that listens, as `curl -N` does.
pub struct Listener(BufReader<TcpStream>);

/// An event that was heard, with its id.
pub struct Heard {
    pub id: String,
    pub name: String,
    pub data: Value,
}

impl Listener {
    pub fn at(address: SocketAddr, path: &str) -> Self {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut listener = Self(BufReader::new(stream));
        let head = listener.line().expect("a head");
        assert!(head.contains("200"), "{head}");
        listener
    }

    /// The next line; none once the stream has ended.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).expect("a line in time");
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event; none once the stream has ended.
    pub fn hear(&mut self) -> Option<Heard> {
        let (mut id, mut name) = (String::new(), String::new());
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("id", text)) => id = text.to_owned(),
                Some(("event", text)) => name = text.to_owned(),
                Some(("data", text)) => {
                    let data = serde_json::from_str(text).expect("JSON");
                    return Some(Heard { id, name, data });
                }
                _ => {}
            }
        }
    }

    /// What comes up to the first event that `is` accepts, by name, and that event.
    #[track_caller]
    pub fn until(&mut self, is: impl Fn(&Heard) -> bool) -> (Vec<String>, Heard) {
        let mut names = Vec::new();
        loop {
            let heard = self.hear().unwrap_or_else(|| panic!("it ended after {names:?}"));
            names.push(heard.name.clone());
            if is(&heard) {
                return (names, heard);
            }
        }
    }
}

/// Where a gateway listens, once it says so.
pub fn gateway_address(gateway: &Role) -> SocketAddr {
    let line = gateway.wait_line("gateway on http://");
    let address = line.split_once("http://").and_then(|(_, rest)| rest.split_once(": "));
    let address = address.and_then(|(address, _)| address.parse().ok());
    address.unwrap_or_else(|| panic!("no address in {line:?}"))
}
