//! What other machines may have a mall do: nothing without a token, everything with it, and where it is for reading only not
//! even to place an order.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};

use rustix::process::Pid;
use serde_json::Value;

use super::program::{FREE_PORTS, Folder, ended};
use super::support::PATIENCE;
use super::support::events::Listener;
use super::support::role::{Role, words_of};

const TOKEN: &str = "a-token-that-nobody-must-see-4711";
const WRONG: &str = "a-guess-that-nobody-must-see-0815";
const ORDER: &str = r#"{"customerId":1,"productId":"100","qty":1,"address":"SEOUL"}"#;
const GROW: &str = r#"{"do":"grow","partitions":2}"#;

/// A mall that listens on all addresses of this machine.
struct Mall {
    process: Role,
    orders: SocketAddr,
    gateway: SocketAddr,
}

/// This machine's address for others; the loopback, which all addresses include, if it is connected to nobody.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        // Nothing is sent by this.
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    socket.map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip())
}

impl Mall {
    fn up(folder: &Folder, options: &[&str], token: Option<&str>) -> Self {
        let open = ["up", "--modify-delay=0s", "--listen=0.0.0.0", "--insecure"];
        let mut command = folder.command(&[&open[..], &FREE_PORTS, options].concat());
        command.envs(token.map(|token| ("MALL_COMMAND_TOKEN", token)));
        let process = Role::start("mall", &mut command);
        let place = |name: &str| {
            let line = process.wait_line(&format!("{name} http://"));
            let host = line.split("http://").nth(1).and_then(|rest| rest.split(' ').next());
            let port = host.and_then(|host| host.rsplit(':').next()?.parse().ok());
            SocketAddr::new(own_address(), port.expect("a port"))
        };
        let (orders, gateway) = (place("orders     "), place("gateway    "));
        process.wait_line("try         http");
        Self {
            process,
            orders,
            gateway,
        }
    }

    /// What the gateway answers to a command with these headers.
    #[track_caller]
    fn command(&self, headers: &[&str], command: &str) -> (u16, String) {
        let host = format!("Host: {}", self.gateway);
        let named = headers.iter().any(|header| header.starts_with("Host:"));
        let host = (!named).then_some(host.as_str());
        let headers: Vec<&str> = host.into_iter().chain(headers.iter().copied()).collect();
        ask(self.gateway, "POST", "/live/commands", &headers, command)
    }

    /// What the page is told of commands.
    fn told(&self) -> Value {
        let mut page = Listener::at(self.gateway, "/live");
        page.hear().expect("a snapshot").data["mall"]["commands"].clone()
    }
}

/// Sends a request with a JSON body. Answers with the status and everything else.
#[track_caller]
fn ask(address: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let (headers, length) = (headers.join("\r\n"), body.len());
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\n{headers}\r\nAccept: */*\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), answer)
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// The variables of a process.
fn variables(pid: Pid) -> String {
    let environ = std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).expect("a process");
    String::from_utf8_lossy(&environ).into_owned()
}

#[test]
fn commands_from_other_machines_need_the_token_which_nobody_sees() {
    let folder = Folder::new();
    let mut mall = Mall::up(&folder, &["--log-level=trace"], Some(TOKEN));
    mall.process
        .wait_line("(commands need the token in MALL_COMMAND_TOKEN)");
    assert_eq!(mall.told(), "token");
    let (right, wrong) = (bearer(TOKEN), bearer(WRONG));
    let (status, answer) = mall.command(&[], GROW);
    assert!(
        status == 401 && answer.to_ascii_lowercase().contains("www-authenticate: bearer"),
        "{answer}"
    );
    let (status, answer) = mall.command(&[&wrong], GROW);
    assert!(status == 401 && !answer.contains(WRONG), "{answer}");
    let own = format!("Origin: http://{}", mall.gateway);
    for foreign in ["Origin: http://shop.example", "Origin: null", "Host: shop.example"] {
        let (status, answer) = mall.command(&[&right, foreign], GROW);
        assert_eq!(status, 403, "{foreign}: {answer}");
    }
    let (status, answer) = mall.command(&[&right, &own], GROW);
    assert!(status == 200 && answer.contains("--partitions 2"), "{answer}");

    // Orders need no token, and the list of processes is read by whoever reads the page.
    let host = format!("Host: {}", mall.gateway);
    assert_eq!(ask(mall.gateway, "POST", "/orders", &[&host], ORDER).0, 201);
    assert_eq!(ask(mall.gateway, "GET", "/live/crew", &[&host], "").0, 200);

    // Who guesses is held up, also with the right one.
    let refused = (0..20).map(|_| mall.command(&[&wrong], GROW).0);
    let refused: Vec<u16> = refused.skip_while(|status| *status == 401).collect();
    assert!(
        !refused.is_empty() && refused.iter().all(|status| [401, 429].contains(status)),
        "{refused:?}"
    );

    // The gateway alone has it, where nobody else can read it.
    let roles = ["order", "delivery", "gateway"].map(|role| mall.process.child_of(role));
    assert_eq!(roles.map(|pid| variables(pid).contains(TOKEN)), [false, false, true]);
    assert!(roles.iter().all(|pid| !words_of(*pid).contains(TOKEN)));
    assert_eq!(mall.process.stop(), Some(0));
    let lines = mall.process.lines();
    assert!(
        lines
            .iter()
            .any(|line| ["TRACE", "DEBUG"].iter().any(|level| line.contains(level))),
        "all levels"
    );
    let seen = lines.iter().find(|line| line.contains(TOKEN) || line.contains(WRONG));
    assert_eq!(seen, None);
}

#[test]
fn without_a_token_other_machines_command_nothing() {
    let folder = Folder::new();
    let mall = Mall::up(&folder, &[], None);
    mall.process
        .wait_line("(takes no commands: start with MALL_COMMAND_TOKEN to allow them)");
    assert_eq!(mall.told(), "no-token");
    for headers in [&[][..], &["Host: localhost"], &["Authorization: Bearer "]] {
        let (status, answer) = mall.command(headers, GROW);
        assert!(status == 403 && answer.contains("MALL_COMMAND_TOKEN"), "{answer}");
    }
}

#[test]
fn a_mall_for_reading_only_takes_no_write_from_anybody_else() {
    let folder = Folder::new();
    let mall = Mall::up(&folder, &["--read-only"], Some(TOKEN));
    assert_eq!(mall.told(), "read-only");
    let (status, answer) = mall.command(&[&bearer(TOKEN)], GROW);
    assert!(status == 403 && answer.contains("--read-only"), "{answer}");
    let local = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), mall.orders.port());
    assert_eq!(
        ask(local, "POST", "/orders", &["Host: localhost"], ORDER).0,
        201,
        "on this machine"
    );
    let host = format!("Host: {}", mall.gateway);
    for (method, path) in [
        ("POST", "/orders"),
        ("PUT", "/orders/1"),
        ("PATCH", "/orders/1"),
        ("DELETE", "/orders/1"),
        ("POST", "/deliveries"),
        ("POST", "/"),
    ] {
        let (status, answer) = ask(mall.gateway, method, path, &[&host], ORDER);
        assert!(
            status == 403 && answer.contains("nothing was changed"),
            "{method} {path}: {answer}"
        );
    }
    for path in ["/", "/orders/1", "/deliveries", "/live/crew", "/orders/1/events"] {
        assert_eq!(ask(mall.gateway, "GET", path, &[&host], "").0, 200, "{path}");
    }
    if !own_address().is_loopback() {
        assert!(
            TcpStream::connect(mall.orders).is_err(),
            "the order service is for this machine"
        );
    }
}

#[test]
fn a_token_that_can_be_guessed_is_refused_and_not_repeated() {
    let folder = Folder::new();
    let run = |words: &[&str], token: &str| {
        let mut command = folder.command(words);
        ended(command.env("MALL_COMMAND_TOKEN", token).output().expect("it runs"))
    };
    for command in ["up", "gateway"] {
        for token in ["hunter2", "", "with blanks, as hunter2 has"] {
            let ended = run(&[command], token);
            assert_eq!(ended.code, Some(64), "{ended:?}");
            assert!(
                ended.err.contains("MALL_COMMAND_TOKEN") && ended.err.contains("16 to 256"),
                "{ended:?}"
            );
            assert!(!ended.err.contains("hunter2"), "{ended:?}");
        }
    }
    assert!(!folder.has_data());
    let config = run(&["config"], TOKEN);
    assert!(
        config.out.contains("MALL_COMMAND_TOKEN") && !config.out.contains(TOKEN),
        "{config:?}"
    );
}
