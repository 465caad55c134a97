//! A gate in front of a server: what a client meets there when the server, or the network before it, fails.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What another program says to whom it doesn't understand.
pub const HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nConnection: close\r\n\r\n";

/// What clients meet.
#[derive(Debug, Clone)]
pub enum Mode {
    /// The server.
    Open,
    /// Nobody listens: connections are refused, and those there are reset.
    Refused,
    /// Packets vanish, on the connections there are and on new ones.
    BlackHole,
    /// Packets vanish on the connections there are, whose peer is gone without a word; new ones work.
    HalfOpen,
    /// Every answer takes this long.
    Slow(Duration),
    /// Another program listens there. It says this, and hangs up.
    Says(&'static [u8]),
}

/// A gate on a port of its own.
pub struct Gate {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    mode: Mutex<Mode>,
    /// Counts the changes of the mode: a half-open connection is one from before.
    changes: Mutex<u64>,
    connections: Mutex<Vec<TcpStream>>,
    /// Nobody listens while there is none.
    listening: Mutex<Option<Arc<TcpListener>>>,
}

impl Gate {
    /// An open gate to `upstream` (host:port).
    pub fn to(upstream: &str) -> Self {
        Self::at("127.0.0.1:0", upstream)
    }

    /// An open gate at `address` to `upstream` (both host:port). A gate that was there before may take a moment to close.
    #[track_caller]
    pub fn at(address: &str, upstream: &str) -> Self {
        let listener = bind_again(address);
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            mode: Mutex::new(Mode::Open),
            changes: Mutex::default(),
            connections: Mutex::default(),
            listening: Mutex::default(),
        });
        listen(&shared, listener);
        Self { address, shared }
    }

    pub fn set(&self, mode: Mode) {
        let refuses = matches!(mode, Mode::Refused);
        let cuts = matches!(mode, Mode::Refused | Mode::Says(_));
        *lock(&self.shared.mode) = mode;
        *lock(&self.shared.changes) += 1;
        if refuses {
            self.close();
        } else if lock(&self.shared.listening).is_none() {
            listen(&self.shared, bind_again(self.address));
        }
        if cuts {
            for connection in lock(&self.shared.connections).drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
    }

    /// The thread that accepts is woken by a connection, and ends since it is no longer the one that listens.
    fn close(&self) {
        if lock(&self.shared.listening).take().is_some() {
            let _ = TcpStream::connect(self.address);
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.set(Mode::Refused);
    }
}

#[track_caller]
fn bind_again(address: impl ToSocketAddrs + Copy) -> TcpListener {
    super::wait_for("the gate's port to be free again", || TcpListener::bind(address).ok())
}

fn listen(shared: &Arc<Shared>, listener: TcpListener) {
    let listener = Arc::new(listener);
    *lock(&shared.listening) = Some(listener.clone());
    let shared = shared.clone();
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let current = lock(&shared.listening)
                .as_ref()
                .is_some_and(|now| Arc::ptr_eq(now, &listener));
            if !current {
                return;
            }
            let shared = shared.clone();
            std::thread::spawn(move || shared.serve(client));
        }
    });
}

impl Shared {
    fn serve(self: Arc<Self>, mut client: TcpStream) {
        let mode = lock(&self.mode).clone();
        if let Mode::Says(words) = mode {
            let _ = client.write_all(words);
            return;
        }
        // The server may be gone itself, which looks the same from here.
        let Ok(server) = TcpStream::connect(&self.upstream) else {
            return;
        };
        let born = *lock(&self.changes);
        let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else {
            return;
        };
        // What has ended is let go, or a long outage would use up all file descriptors.
        lock(&self.connections).retain(|connection| connection.peer_addr().is_ok());
        lock(&self.connections).extend([client.try_clone(), server.try_clone()].into_iter().flatten());
        let answers = self.clone();
        std::thread::spawn(move || answers.pass(server, client_too, born, true));
        self.pass(client, server_too, born, false);
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, born: u64, answers: bool) {
        let mut bytes = vec![0; 65536];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if !self.lets_through(born, answers) || to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }

    /// Waits for as long as bytes are held; false once they are lost with their connection.
    fn lets_through(&self, born: u64, answers: bool) -> bool {
        loop {
            let mode = lock(&self.mode).clone();
            match mode {
                Mode::Slow(time) if answers => {
                    std::thread::park_timeout(time);
                    return true;
                }
                Mode::Open | Mode::Slow(_) => return true,
                Mode::HalfOpen if born == *lock(&self.changes) => return true,
                Mode::HalfOpen | Mode::BlackHole => std::thread::park_timeout(Duration::from_millis(5)),
                Mode::Refused | Mode::Says(_) => return false,
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
