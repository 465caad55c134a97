//! The order service: orders are placed, changed and cancelled here.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::asked::{Admitted, Asked, Target};
use super::body::{self, BodyForm, form_of};
use super::conditional::{condition, tag};
use super::hal;
use super::problem::Problem;
use super::read::read;
use super::reply::{Reply, missing, respond};
use shop::commit::GroupCommit;
use shop::domain::input::{all_fields, json_patch_from_slice, new_order_from_slice, patch_from_slice};
use shop::domain::{Change, Order, OrderCommand, OrderId, OrderOutcome, OrderRequest};
use shop::health::Readiness;
use shop::store::Store;

/// How long a command may take. The group commit answers long before, also when the database is away: this is for what
/// nobody has thought of.
const COMMAND_DEADLINE: Duration = Duration::from_secs(30);

/// What the order service's routes need.
pub struct OrderService {
    /// Answers questions.
    pub store: Arc<dyn Store>,
    /// Takes commands.
    pub orders: GroupCommit<OrderRequest, OrderOutcome>,
    /// What the probes show.
    pub readiness: Arc<Readiness>,
    /// `host:port` for hrefs where a request names no host.
    pub authority: String,
}

/// The routes of the order service. Whatever has no other route is answered here, with 404 if it is nothing.
pub fn order_router(service: OrderService) -> Router {
    Router::new().fallback(answer).with_state(Arc::new(service))
}

async fn answer(State(service): State<Arc<OrderService>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let asked = Asked::new(head, &service.authority);
    service
        .answer(&asked, body)
        .await
        .unwrap_or_else(Problem::into_response)
}

impl OrderService {
    async fn answer(&self, asked: &Asked, body: Body) -> Reply {
        let (target, form) = match asked.admit::<Order>()? {
            Admitted::Answered(response) => return Ok(response),
            Admitted::Go(target, form) => (target, form),
        };
        let command = match (&asked.method, target) {
            (&Method::POST, _) => OrderCommand::Place(new_order_from_slice(&fields_body(asked, body).await?)?),
            (&Method::PUT, Target::Item(id)) => {
                let fields = all_fields(patch_from_slice(&fields_body(asked, body).await?)?);
                OrderCommand::Change(OrderId(id), Change::Replace(fields))
            }
            (&Method::PATCH, Target::Item(id)) => OrderCommand::Change(OrderId(id), change_in(asked, body).await?),
            (&Method::DELETE, Target::Item(id)) => OrderCommand::Cancel(OrderId(id)),
            _ => return read::<Order>(&*self.store, &self.readiness, asked, target, form).await,
        };
        let outcome = self
            .submit(OrderRequest {
                command,
                condition: condition(&asked.headers)?,
                traceparent: Some(asked.traceparent()),
            })
            .await?;
        outcome_response(asked, outcome, form)
    }

    async fn submit(&self, request: OrderRequest) -> Result<OrderOutcome, Problem> {
        match tokio::time::timeout(COMMAND_DEADLINE, self.orders.submit(request)).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(Problem::outcome_unknown()),
        }
    }
}

async fn fields_body(asked: &Asked, body: Body) -> Result<bytes::Bytes, Problem> {
    form_of(asked)?;
    body::read(body).await
}

async fn change_in(asked: &Asked, body: Body) -> Result<Change, Problem> {
    let form = form_of(asked)?;
    let body = body::read(body).await?;
    Ok(match form {
        BodyForm::Fields => Change::Merge(patch_from_slice(&body)?),
        BodyForm::JsonPatch => Change::JsonPatch(json_patch_from_slice(&body)?),
    })
}

fn outcome_response(asked: &Asked, outcome: OrderOutcome, form: &'static str) -> Reply {
    match outcome {
        OrderOutcome::Placed(order) => Ok(written(asked, &order, form, StatusCode::CREATED)),
        OrderOutcome::Changed(order) | OrderOutcome::Unchanged(order) => {
            let status = if asked.wants_body() {
                StatusCode::OK
            } else {
                StatusCode::NO_CONTENT
            };
            Ok(written(asked, &order, form, status))
        }
        OrderOutcome::Cancelled => Ok(StatusCode::NO_CONTENT.into_response()),
        OrderOutcome::Missing => Ok(missing()),
        OrderOutcome::Otherwise(version) => Err(Problem::otherwise(version)),
        OrderOutcome::Invalid(invalid) => Err(invalid.into()),
    }
}

/// An order that has just been written: where it is, and the order itself for those who say what they accept.
fn written(asked: &Asked, order: &Order, form: &'static str, status: StatusCode) -> Response {
    let href = hal::item_href::<Order>(&asked.base, order.id.0);
    let mut response = match asked.wants_body() {
        true => respond(status, form, hal::item(order, &href)),
        false => status.into_response(),
    };
    tag(&mut response, order.version);
    if asked.method != Method::PATCH {
        let location = HeaderValue::try_from(href).expect("a host of plain characters makes a header");
        response.headers_mut().insert(LOCATION, location);
    }
    response
}
