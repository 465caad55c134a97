//! Customers who place orders, change them and cancel them, several orders at a time, so that many orders are open
//! whenever something happens.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::http::try_send;
use crate::support::wait_for;

const CUSTOMERS: usize = 3;
/// Orders that a customer has open.
const OPEN: usize = 8;
/// Changes before an order is cancelled.
const CHANGES: usize = 3;
/// Between two requests of a customer, which keeps the history small enough to be verified again and again.
const THINKING: Duration = Duration::from_millis(40);

#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    placed: Mutex<Vec<i64>>,
    done: AtomicUsize,
}

pub struct Load {
    seen: Arc<Seen>,
    customers: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(orders: SocketAddr) -> Self {
        let seen = Arc::new(Seen::default());
        let customers = (0..CUSTOMERS).map(|_| {
            let seen = seen.clone();
            std::thread::spawn(move || shop_until_stopped(orders, &seen))
        });
        Self {
            customers: customers.collect(),
            seen,
        }
    }

    /// Waits until so many more requests have been granted.
    #[track_caller]
    pub fn more(&self, requests: usize) {
        let wanted = self.seen.done.load(Ordering::Relaxed) + requests;
        wait_for(&format!("{requests} more requests to be granted"), || {
            (self.seen.done.load(Ordering::Relaxed) >= wanted).then_some(())
        });
    }

    /// Ends it; the orders that were placed.
    pub fn stop(self) -> Vec<i64> {
        self.seen.stop.store(true, Ordering::Relaxed);
        for customer in self.customers {
            customer.join().expect("no customer panics");
        }
        std::mem::take(&mut self.seen.placed.lock().expect("no customer panics"))
    }
}

/// An order that is open, and how often it has been changed.
struct Order {
    id: i64,
    changes: usize,
}

fn shop_until_stopped(orders: SocketAddr, seen: &Seen) {
    let mut open: [Option<Order>; OPEN] = Default::default();
    for slot in (0..OPEN).cycle() {
        if seen.stop.load(Ordering::Relaxed) {
            return;
        }
        open[slot] = match open[slot].take() {
            None => place(orders, seen),
            Some(order) if order.changes < CHANGES => Some(change(orders, order, seen)),
            Some(order) => cancel(orders, order, seen),
        };
        std::thread::park_timeout(THINKING);
    }
}

fn place(orders: SocketAddr, seen: &Seen) -> Option<Order> {
    let fields = [
        ("customerId", "2000"),
        ("productId", "100"),
        ("productName", "RADIO"),
        ("qty", "3"),
        ("address", "PUSAN"),
    ];
    let answer = try_send(orders, "POST", "/orders", Some(&fields)).ok()?;
    if answer.status != 201 {
        return None;
    }
    seen.done.fetch_add(1, Ordering::Relaxed);
    let id = answer.id();
    seen.placed.lock().expect("no customer panics").push(id);
    Some(Order { id, changes: 0 })
}

fn change(orders: SocketAddr, order: Order, seen: &Seen) -> Order {
    let qty = (order.changes + 4).to_string();
    let path = format!("/orders/{}", order.id);
    let granted = try_send(orders, "PATCH", &path, Some(&[("qty", &qty)])).is_ok_and(|answer| answer.status == 200);
    seen.done.fetch_add(usize::from(granted), Ordering::Relaxed);
    Order {
        changes: order.changes + usize::from(granted),
        ..order
    }
}

fn cancel(orders: SocketAddr, order: Order, seen: &Seen) -> Option<Order> {
    let answer = try_send(orders, "DELETE", &format!("/orders/{}", order.id), None);
    let granted = answer.is_ok_and(|answer| answer.status == 204);
    seen.done.fetch_add(usize::from(granted), Ordering::Relaxed);
    (!granted).then_some(order)
}
