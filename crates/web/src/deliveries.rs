//! The delivery service's HTTP side: deliveries change through events alone, so there is nothing but reading.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};

use super::asked::{Admitted, Asked};
use super::problem::Problem;
use super::read::read;
use super::reply::Reply;
use shop::domain::Delivery;
use shop::health::Readiness;
use shop::store::Store;

/// What the delivery service's routes need.
pub struct DeliveryService {
    /// Answers questions.
    pub store: Arc<dyn Store>,
    /// What the probes show.
    pub readiness: Arc<Readiness>,
    /// `host:port` for hrefs where a request names no host.
    pub authority: String,
}

/// The routes of the delivery service. Whatever has no other route is answered here, with 404 if it is nothing.
pub fn delivery_router(service: DeliveryService) -> Router {
    Router::new().fallback(answer).with_state(Arc::new(service))
}

async fn answer(State(service): State<Arc<DeliveryService>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let asked = Asked::new(head, &service.authority);
    service.answer(&asked).await.unwrap_or_else(Problem::into_response)
}

impl DeliveryService {
    async fn answer(&self, asked: &Asked) -> Reply {
        match asked.admit::<Delivery>()? {
            Admitted::Answered(response) => Ok(response),
            Admitted::Go(target, form) => read::<Delivery>(&*self.store, &self.readiness, asked, target, form).await,
        }
    }
}
