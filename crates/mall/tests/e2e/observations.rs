//! `GET /observations`: whoever listens hears what becomes of an order, from its commit to its delivery, also through the
//! gateway and across a role's end.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::http::{patch, post};
use crate::support::role::Role;
use crate::support::stack::Stack;

const ORDER: [(&str, &str); 5] = [
    ("customerId", "2000"),
    ("productId", "100"),
    ("productName", "RADIO"),
    ("qty", "3"),
    ("address", "PUSAN"),
];

/// A client that listens, as `curl -N` does.
struct Listener(BufReader<TcpStream>);

/// An event that was heard, with its id.
struct Heard {
    id: String,
    name: String,
    data: Value,
}

impl Listener {
    fn at(address: SocketAddr, path: &str) -> Self {
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
    fn hear(&mut self) -> Option<Heard> {
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
    fn until(&mut self, is: impl Fn(&Heard) -> bool) -> (Vec<String>, Heard) {
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

fn gateway_address(gateway: &Role) -> SocketAddr {
    let line = gateway.wait_line("gateway on http://");
    let address = line.split_once("http://").and_then(|(_, rest)| rest.split_once(": "));
    let address = address.and_then(|(address, _)| address.parse().ok());
    address.unwrap_or_else(|| panic!("no address in {line:?}"))
}

#[test]
fn whoever_listens_hears_what_becomes_of_an_order() {
    let stack = Stack::embedded();
    let mut order = stack.role("order", &[]);
    let delivery = stack.role("delivery", &["--modify-delay", "10ms", "--name", "delivery-7"]);
    let (order_url, delivery_url) = (
        format!("http://{}", order.address()),
        format!("http://{}", delivery.address()),
    );
    let args = [
        "gateway",
        "--port",
        "0",
        "--order-url",
        &order_url,
        "--delivery-url",
        &delivery_url,
    ];
    let gateway = Role::start("gateway", &mut stack.bare(&args));
    let gateway_address = gateway_address(&gateway);
    let mut at_order = Listener::at(order.address(), "/observations?after=0");
    let mut at_delivery = Listener::at(gateway_address, "/delivery/observations?after=0&order=1");
    let id = post(gateway_address, "/orders", &ORDER).id();
    patch(gateway_address, &format!("/orders/{id}"), &[("qty", "4")]);

    let version_2 = |kind: &'static str| move |heard: &Heard| heard.name == kind && heard.data["event"]["version"] == 2;
    let (names, published) = at_order.until(version_2("published"));
    for name in ["started", "lease-won", "committed"] {
        assert!(names.iter().any(|known| known == name), "{name} of {names:?}");
    }
    assert_eq!(published.data["who"], "order");
    assert_eq!(published.data["event"]["order"], id);
    assert_eq!(published.data["event"]["name"], "OrderModified");
    let (names, finished) = at_delivery.until(version_2("finished"));
    for name in ["taken", "begun"] {
        assert!(names.iter().any(|known| known == name), "{name} of {names:?}");
    }
    assert_eq!(finished.data["who"], "delivery-7");
    assert_eq!(
        finished.data["place"], published.data["place"],
        "the record that was published"
    );
    assert_eq!(finished.data["ending"], "applied");
    assert_eq!(finished.data["status"], "DELIVERY MODIFIED");

    let mut at_once = Listener::at(delivery.address(), "/observations?after=0");
    let (_, assigned) = at_once.until(|heard| heard.name == "assigned");
    assert_eq!(assigned.data["partitions"][0]["partition"], 0);
    at_once.until(|heard| heard.name == "offset-committed");

    order.signal(Signal::TERM);
    let (_, stopped) = at_order.until(|heard| heard.name == "stopped");
    assert!(at_order.hear().is_none(), "the stream ends with the role");
    assert_eq!(order.wait_exit().code(), Some(0));

    let again = stack.role("order", &[]);
    let mut resumed = Listener::at(again.address(), &format!("/observations?after={}", stopped.id));
    let first = resumed.hear().expect("an event");
    assert_eq!((first.name.as_str(), &first.data["missed"]), ("missed", &Value::Null));
    assert_eq!(resumed.hear().expect("an event").data["seq"], 1);
}
