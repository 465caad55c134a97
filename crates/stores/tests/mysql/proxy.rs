//! A proxy in front of the server that can fail in many ways.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::database::{Database, server};

/// How the proxy treats the bytes that clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The proxy passes everything on.
    Pass,
    /// The proxy holds everything back, like a server that hangs.
    Hang,
    /// The proxy holds back what the open connections send, and serves new ones, like a network that has lost the old
    /// ones.
    HangOld,
    /// The proxy closes every connection, also each new one, like a server that is gone.
    Gone,
    /// The proxy closes a connection that sends `commit`, after the server has received it.
    CutAtCommit,
    /// The proxy holds back the answer to `commit`.
    HangAtCommit,
}

/// A proxy in front of the server.
pub struct Proxy {
    pub port: u16,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    pub async fn start() -> Self {
        let upstream = server();
        let upstream: Arc<str> = upstream
            .rsplit('@')
            .next()
            .expect("an address")
            .trim_end_matches('/')
            .into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mode, modes) = watch::channel(Mode::Pass);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, upstream.clone(), modes.clone()));
            }
        });
        Self { port, mode }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    pub fn url(&self, database: &Database) -> String {
        let server = server();
        let login = server.rsplit_once('@').expect("an address").0;
        // The proxy looks for words in what clients send, so their connections must not be encrypted.
        format!("{login}@127.0.0.1:{}/{}?ssl-mode=disabled", self.port, database.name)
    }
}

async fn relay(mut client: TcpStream, upstream: Arc<str>, mut modes: watch::Receiver<Mode>) {
    let born = *modes.borrow();
    if born == Mode::Gone {
        return;
    }
    let mut server = TcpStream::connect(&*upstream).await.unwrap();
    let (mut asked, mut answered) = (vec![0; 65536], vec![0; 65536]);
    let mut committing = false;
    loop {
        let mode = *modes.borrow_and_update();
        let held = match mode {
            Mode::Hang => true,
            Mode::HangOld => born != Mode::HangOld,
            Mode::HangAtCommit => committing,
            Mode::Pass | Mode::Gone | Mode::CutAtCommit => false,
        };
        tokio::select! {
            changed = modes.changed() => {
                if changed.is_err() || *modes.borrow() == Mode::Gone {
                    return;
                }
            }
            read = client.read(&mut asked), if !held => {
                let Ok(n @ 1..) = read else { return };
                committing = asked[..n].windows(6).any(|word| word == b"commit");
                if server.write_all(&asked[..n]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answered), if !held => {
                let Ok(n @ 1..) = read else { return };
                if committing && mode == Mode::CutAtCommit {
                    return;
                }
                if client.write_all(&answered[..n]).await.is_err() {
                    return;
                }
                committing = false;
            }
        }
    }
}
