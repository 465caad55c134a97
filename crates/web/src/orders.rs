//! The order service's resources: orders are read, placed, changed and cancelled here.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::body::{self, BodyForm, form_of};
use super::conditional::{condition, tag};
use super::hal;
use super::problem::Problem;
use super::read::{absent, read};
use super::reply::{Reply, missing, respond};
use super::request_head::{Admitted, RequestHead, Target};
use shop::commit::GroupCommit;
use shop::domain::input::{all_fields, json_patch_from_slice, new_order_from_slice, patch_from_slice};
use shop::domain::{Change, Order, OrderCommand, OrderId, OrderOutcome, OrderRequest};
use shop::health::Readiness;
use shop::store::Store;

/// The deadline of a command. The group commit answers long before, even while the database is away; this only guards against
/// a defect.
const COMMAND_DEADLINE: Duration = Duration::from_secs(30);

/// What the order service's routes need.
pub struct OrderService {
    /// The store that orders are read from.
    pub store: Arc<dyn Store>,
    /// The group commit that runs commands.
    pub orders: GroupCommit<OrderRequest, OrderOutcome>,
    /// The facts that the probes show.
    pub readiness: Arc<Readiness>,
    /// The `host:port` of links in answers to requests that name no host.
    pub authority: String,
}

/// The routes of the order service. Every path without another route is answered here, with 404 if there is nothing.
pub fn order_router(service: OrderService) -> Router {
    Router::new().fallback(answer).with_state(Arc::new(service))
}

async fn answer(State(service): State<Arc<OrderService>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let head = RequestHead::new(head, &service.authority);
    service.answer(&head, body).await.unwrap_or_else(Problem::into_response)
}

impl OrderService {
    async fn answer(&self, head: &RequestHead, body: Body) -> Reply {
        let (target, form) = match head.admit::<Order>()? {
            Admitted::Answered(response) => return Ok(response),
            Admitted::Go(target, form) => (target, form),
        };
        let command = match (&head.method, target) {
            (&Method::POST, _) => OrderCommand::Place(new_order_from_slice(&fields_body(head, body).await?)?),
            (&Method::PUT, Target::Item(id)) => {
                let fields = all_fields(patch_from_slice(&fields_body(head, body).await?)?);
                OrderCommand::Change(OrderId(id), Change::Replace(fields))
            }
            (&Method::PATCH, Target::Item(id)) => OrderCommand::Change(OrderId(id), change_in(head, body).await?),
            (&Method::DELETE, Target::Item(id)) => OrderCommand::Cancel(OrderId(id)),
            _ => return read::<Order>(&*self.store, &self.readiness, head, target, form).await,
        };
        let outcome = self
            .submit(OrderRequest {
                command,
                condition: condition(&head.headers)?,
                traceparent: Some(head.traceparent()),
            })
            .await?;
        match (outcome, target) {
            (OrderOutcome::Missing, Target::Item(number)) => {
                absent::<Order>(&*self.store, &self.readiness, number).await
            }
            (outcome, _) => outcome_response(head, outcome, form),
        }
    }

    async fn submit(&self, request: OrderRequest) -> Result<OrderOutcome, Problem> {
        match tokio::time::timeout(COMMAND_DEADLINE, self.orders.submit(request)).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(Problem::outcome_unknown()),
        }
    }
}

async fn fields_body(head: &RequestHead, body: Body) -> Result<bytes::Bytes, Problem> {
    form_of(head)?;
    body::read(body).await
}

async fn change_in(head: &RequestHead, body: Body) -> Result<Change, Problem> {
    let form = form_of(head)?;
    let body = body::read(body).await?;
    Ok(match form {
        BodyForm::Fields => Change::Merge(patch_from_slice(&body)?),
        BodyForm::JsonPatch => Change::JsonPatch(json_patch_from_slice(&body)?),
    })
}

fn outcome_response(head: &RequestHead, outcome: OrderOutcome, form: &'static str) -> Reply {
    match outcome {
        OrderOutcome::Placed(order) => Ok(written(head, &order, form, StatusCode::CREATED)),
        OrderOutcome::Changed(order) | OrderOutcome::Unchanged(order) => {
            let status = if head.wants_body() {
                StatusCode::OK
            } else {
                StatusCode::NO_CONTENT
            };
            Ok(written(head, &order, form, status))
        }
        OrderOutcome::Cancelled(_) => Ok(StatusCode::NO_CONTENT.into_response()),
        OrderOutcome::Missing => Ok(missing()),
        OrderOutcome::Otherwise(version) => Err(Problem::otherwise(version)),
        OrderOutcome::Invalid(invalid) => Err(invalid.into()),
    }
}

/// The answer about an order that was written: its `ETag`, its `Location` except for a PATCH, and the order itself for a client
/// that sends an `Accept` header.
fn written(head: &RequestHead, order: &Order, form: &'static str, status: StatusCode) -> Response {
    let href = hal::item_href::<Order>(&head.base, order.id.0);
    let mut response = match head.wants_body() {
        true => respond(status, form, hal::item(order, &href)),
        false => status.into_response(),
    };
    tag(&mut response, order.version);
    if head.method != Method::PATCH {
        let location = HeaderValue::try_from(href).expect("a host of plain characters makes a header");
        response.headers_mut().insert(LOCATION, location);
    }
    response
}
