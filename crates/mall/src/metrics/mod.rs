//! `/metrics`: what a role tells about itself, for Prometheus.
//!
//! ```text
//!   scrape ─▶ Page ─┬─ Traffic, CommitMetrics, RelayMetrics, keylane::Metrics, DeliveryMetrics: atomics, just read
//!                   └─ Sampled: backlog of the database, lag in the log: asked at most once a second
//! ```
//!
//! # Invariants
//! * What is counted is counted by plain atomics where it happens; only this module knows Prometheus.
//! * A scrape is answered within seconds, whatever is away. What can't be told is left out, and a gauge says so.
//! * A family is there from the start, at 0, so that its first increase is seen as one.

mod consumer;
mod lag;
mod process;
mod sampled;
mod service;
mod text;

pub use consumer::Consumer;
pub use service::Service;

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use web::Traffic;

use process::Process;
use text::Text;

/// The metrics of a role.
pub struct Page {
    role: &'static str,
    process: Process,
    /// Its HTTP requests.
    pub traffic: Arc<Traffic>,
    /// What the order and the delivery service have.
    pub service: Option<Service>,
    /// What a delivery instance has.
    pub consumer: Option<Consumer>,
}

impl Page {
    /// The metrics of a role that only answers HTTP requests.
    pub fn new(role: &'static str) -> Self {
        Self {
            role,
            process: Process::started(),
            traffic: Arc::default(),
            service: None,
            consumer: None,
        }
    }

    /// `router`, and `/metrics`.
    pub fn on<S: Clone + Send + Sync + 'static>(self, router: Router<S>) -> Router<S> {
        let page = Arc::new(self);
        let scrape = move || {
            let page = page.clone();
            async move { page.scrape().await }
        };
        router.route("/metrics", get(scrape))
    }

    async fn scrape(&self) -> Response {
        let mut text = Text::default();
        self.process.write(self.role, &mut text);
        write_traffic(&self.traffic, &mut text);
        if let Some(service) = &self.service {
            service.write(&mut text).await;
        }
        if let Some(consumer) = &self.consumer {
            consumer.write(&mut text).await;
        }
        ([(CONTENT_TYPE, text::CONTENT_TYPE)], text.finish()).into_response()
    }
}

fn write_traffic(traffic: &Traffic, text: &mut Text) {
    let mut answered = text.counter("mall_http_requests_total", "HTTP requests answered.");
    for (method, status, count) in traffic.answered() {
        answered.count(&[("method", method), ("status", status)], count);
    }
    let help = "From the head of an HTTP request to the head of its answer.";
    text.histogram("mall_http_request_duration_seconds", help)
        .distribution(&[], &traffic.times.read());
}

/// For how many seconds something waits at `now`, in milliseconds; 0 if nothing does.
fn age(since: Option<keylane_log::Timestamp>, now: keylane_log::Timestamp) -> f64 {
    since.map_or(0.0, |since| now.0.saturating_sub(since.0).max(0) as f64 / 1000.0)
}
