//! The measures of a server's requests, which can be read at any time from any thread.

use std::time::Duration;

use axum::http::{Method, StatusCode};

use keylane::measure::{Counter, Times};

/// Counts requests by method and class of status, and measures how long they took. All are zero at the start.
#[derive(Debug, Default)]
pub struct Traffic {
    answered: [[Counter; CLASSES.len()]; METHODS.len()],
    /// The time from a request's head to its answer's head; the answer's body may still be on its way.
    pub times: Times,
}

/// The methods that are counted; the last one stands for all others.
const METHODS: [&str; 8] = ["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "other"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl Traffic {
    /// How many requests were answered, for each method and class of status.
    pub fn answered(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        METHODS.into_iter().zip(&self.answered).flat_map(|(method, classes)| {
            let counts = CLASSES.into_iter().zip(classes);
            counts.map(move |(class, counter)| (method, class, counter.get()))
        })
    }

    pub(super) fn add(&self, method: MethodIndex, status: StatusCode, time: Duration) {
        let class = usize::from(status.as_u16() / 100) - 1;
        self.answered[method.0][class.min(CLASSES.len() - 1)].inc();
        self.times.observe(time);
    }
}

/// The position of a method among those that are counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct MethodIndex(usize);

impl From<&Method> for MethodIndex {
    fn from(method: &Method) -> Self {
        let known = METHODS.iter().position(|known| *known == method.as_str());
        Self(known.unwrap_or(METHODS.len() - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_where_they_belong() {
        let traffic = Traffic::default();
        let purge = Method::from_bytes(b"PURGE").expect("a token");
        for (method, status) in [
            (Method::POST, 201),
            (Method::GET, 404),
            (purge, 405),
            (Method::POST, 999),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            traffic.add(MethodIndex::from(&method), status, Duration::ZERO);
        }
        let seen: Vec<_> = traffic.answered().filter(|(.., count)| *count > 0).collect();
        assert_eq!(
            seen,
            [
                ("GET", "4xx", 1),
                ("POST", "2xx", 1),
                ("POST", "5xx", 1),
                ("other", "4xx", 1)
            ]
        );
        assert_eq!(traffic.times.read().count, 4);
    }
}
