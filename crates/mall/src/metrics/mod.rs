//! `/metrics`: the numbers that a role tells about itself, for Prometheus.
//!
//! ```text
//!   scrape ─▶ RoleMetrics ─┬─ Traffic, CommitMetrics, RelayMetrics, keylane::Metrics, DeliveryMetrics: atomics, just read
//!                          └─ Sampled: backlog of the database, lag in the log: asked at most once a second
//! ```
//!
//! # Invariants
//! * What is counted is counted by plain atomics where it happens; only this module knows Prometheus.
//! * A scrape is answered within seconds, whatever is away. A number that can't be found out is left out, and a gauge says
//!   that the database or the log is away.
//! * A counter is there from the start, at 0, so that Prometheus sees its first increase.

mod consumer;
mod lag;
mod process;
mod sampled;
mod service;
mod text;

pub use consumer::ConsumerMetrics;
pub use service::ServiceMetrics;

use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use web::Traffic;

use process::Process;
use text::MetricsText;

/// The metrics of a role.
pub struct RoleMetrics {
    role: &'static str,
    process: Process,
    /// What `--key`, `--guard` and `--lanes` say, as far as they concern the role.
    pub modes: Vec<(&'static str, String)>,
    /// Its HTTP requests, which are counted by the server.
    pub traffic: Arc<Traffic>,
    /// The measures of a service; none in the gateway.
    pub service: Option<ServiceMetrics>,
    /// The measures of a consumer; only in a delivery instance.
    pub consumer: Option<ConsumerMetrics>,
}

impl RoleMetrics {
    /// The metrics of a role that only answers HTTP requests.
    pub fn new(role: &'static str) -> Self {
        Self {
            role,
            process: Process::started(),
            modes: Vec::new(),
            traffic: Arc::default(),
            service: None,
            consumer: None,
        }
    }

    /// The router, with `/metrics` added to it.
    pub fn on<S: Clone + Send + Sync + 'static>(self, router: Router<S>) -> Router<S> {
        let metrics = Arc::new(self);
        let scrape = move || {
            let metrics = metrics.clone();
            async move { metrics.scrape().await }
        };
        router.route("/metrics", get(scrape))
    }

    async fn scrape(&self) -> Response {
        let mut text = MetricsText::default();
        self.process.write(self.role, &mut text);
        write_modes(&self.modes, &mut text);
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

fn write_modes(modes: &[(&str, String)], text: &mut MetricsText) {
    if modes.is_empty() {
        return;
    }
    let labels: Vec<(&str, &str)> = modes.iter().map(|(mode, value)| (*mode, value.as_str())).collect();
    text.gauge("mall_modes_info", "What --key, --guard and --lanes say here.")
        .count(&labels, 1);
}

fn write_traffic(traffic: &Traffic, text: &mut MetricsText) {
    let mut answered = text.counter("mall_http_requests_total", "HTTP requests answered.");
    for (method, status, count) in traffic.answered() {
        answered.count(&[("method", method), ("status", status)], count);
    }
    let help = "From the head of an HTTP request to the head of its answer.";
    text.histogram("mall_http_request_duration_seconds", help)
        .distribution(&[], &traffic.times.read());
}
