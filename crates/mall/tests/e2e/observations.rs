//! `GET /observations`: whoever listens hears what becomes of an order, from its commit to its delivery, also through the
//! gateway and across a role's end.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::events::{Heard, Listener, gateway_address};
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
