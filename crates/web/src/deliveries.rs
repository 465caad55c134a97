//! The delivery service's resources, which can only be read: deliveries change through events alone.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::read::read;
use super::reply::Reply;
use super::request_head::{Admitted, RequestHead};
use shop::domain::Delivery;
use shop::health::Readiness;
use shop::store::Store;

/// What the delivery service's routes need.
pub struct DeliveryService {
    /// The store that deliveries are read from.
    pub store: Arc<dyn Store>,
    /// The facts that the probes show.
    pub readiness: Arc<Readiness>,
    /// The `host:port` of links in answers to requests that name no host.
    pub authority: String,
}

/// The routes of the delivery service. Every path without another route is answered here, with 404 if there is nothing.
pub fn delivery_router(service: DeliveryService) -> Router {
    Router::new().fallback(answer).with_state(Arc::new(service))
}

async fn answer(State(service): State<Arc<DeliveryService>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let head = RequestHead::new(head, &service.authority);
    service.answer(&head).await.unwrap_or_else(Problem::into_response)
}

impl DeliveryService {
    async fn answer(&self, head: &RequestHead) -> Reply {
        match head.admit::<Delivery>()? {
            Admitted::Answered(response) => Ok(response),
            Admitted::Go(target, form) => read::<Delivery>(&*self.store, &self.readiness, head, target, form).await,
        }
    }
}
