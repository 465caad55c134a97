//! Requests byte for byte as httpie 3.2 sends them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::PATIENCE;

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in the body of {self:?}"))
    }

    /// The number at the end of `Location`.
    #[track_caller]
    pub fn id(&self) -> i64 {
        let location = self
            .header("location")
            .unwrap_or_else(|| panic!("no Location in {self:?}"));
        location
            .rsplit('/')
            .next()
            .and_then(|id| id.parse().ok())
            .unwrap_or_else(|| panic!("no id in {location}"))
    }
}

/// `http POST :PORT/path name=value…`
#[track_caller]
pub fn post(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Answer {
    send(address, "POST", path, Some(fields))
}

/// `http PATCH :PORT/path name=value…`
#[track_caller]
pub fn patch(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Answer {
    send(address, "PATCH", path, Some(fields))
}

/// `http DELETE :PORT/path`
#[track_caller]
pub fn delete(address: SocketAddr, path: &str) -> Answer {
    send(address, "DELETE", path, None)
}

/// `http :PORT/path`
#[track_caller]
pub fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, "GET", path, None)
}

#[track_caller]
fn send(address: SocketAddr, method: &str, path: &str, fields: Option<&[(&str, &str)]>) -> Answer {
    try_send(address, method, path, fields).unwrap_or_else(|error| panic!("{method} {path} at {address}: {error}"))
}

/// The same, for a service that may be gone.
pub fn try_send(
    address: SocketAddr,
    method: &str,
    path: &str,
    fields: Option<&[(&str, &str)]>,
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request(address, method, path, fields).as_bytes())?;
    read_answer(&mut stream)
}

fn request(address: SocketAddr, method: &str, path: &str, fields: Option<&[(&str, &str)]>) -> String {
    let accept = if fields.is_some() {
        "application/json, */*;q=0.5"
    } else {
        "*/*"
    };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nUser-Agent: HTTPie/3.2.4\r\n\
         Accept-Encoding: gzip, deflate\r\nAccept: {accept}\r\nConnection: keep-alive\r\n",
        address.port()
    );
    match fields {
        Some(fields) => {
            let members: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("\"{name}\": \"{value}\""))
                .collect();
            let body = format!("{{{}}}", members.join(", "));
            format!(
                "{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }
        None if method == "DELETE" => format!("{head}Content-Length: 0\r\n\r\n"),
        None => format!("{head}\r\n"),
    }
}

fn read_answer(stream: &mut TcpStream) -> std::io::Result<Answer> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        read_some(stream, &mut bytes)?;
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok())
        .unwrap_or(0);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let mut answer = Answer {
        status,
        headers,
        body: String::new(),
    };
    let length: usize = answer
        .header("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    while bytes.len() < head_end + 4 + length {
        read_some(stream, &mut bytes)?;
    }
    answer.body = String::from_utf8_lossy(&bytes[head_end + 4..head_end + 4 + length]).into_owned();
    Ok(answer)
}

fn read_some(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    let mut chunk = [0; 4096];
    match stream.read(&mut chunk)? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        count => {
            bytes.extend_from_slice(&chunk[..count]);
            Ok(())
        }
    }
}
