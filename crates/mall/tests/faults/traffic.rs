//! Customers who place orders without a pause, several at once.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::support::http::try_send;

pub const ORDER: [(&str, &str); 5] = [
    ("customerId", "2000"),
    ("productId", "100"),
    ("productName", "RADIO"),
    ("qty", "3"),
    ("address", "PUSAN"),
];

const CUSTOMERS: usize = 4;
/// Between two orders of a customer, which keeps the tests' tables small enough to be looked through.
const THINKING: Duration = Duration::from_millis(10);

#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    placed: Mutex<Vec<i64>>,
    refused: AtomicUsize,
}

pub struct Traffic {
    seen: Arc<Seen>,
    customers: Vec<JoinHandle<()>>,
}

impl Traffic {
    pub fn start(orders: SocketAddr) -> Self {
        let seen = Arc::new(Seen::default());
        let customers = (0..CUSTOMERS).map(|_| {
            let seen = seen.clone();
            std::thread::spawn(move || order_until_stopped(orders, &seen))
        });
        Self {
            customers: customers.collect(),
            seen,
        }
    }

    /// How many orders were answered 201 so far.
    pub fn placed(&self) -> usize {
        self.seen.placed.lock().expect("no customer panics").len()
    }

    /// How many were answered otherwise, or not at all.
    pub fn refused(&self) -> usize {
        self.seen.refused.load(Ordering::Relaxed)
    }

    /// Ends it; the numbers of the orders that were answered 201.
    pub fn stop(self) -> Vec<i64> {
        self.seen.stop.store(true, Ordering::Relaxed);
        for customer in self.customers {
            customer.join().expect("no customer panics");
        }
        std::mem::take(&mut self.seen.placed.lock().expect("no customer panics"))
    }
}

fn order_until_stopped(orders: SocketAddr, seen: &Seen) {
    while !seen.stop.load(Ordering::Relaxed) {
        match try_send(orders, "POST", "/orders", Some(&ORDER)) {
            Ok(answer) if answer.status == 201 => seen.placed.lock().expect("no customer panics").push(answer.id()),
            _ => {
                seen.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        std::thread::park_timeout(THINKING);
    }
}
