//! Answers `GET` and `HEAD` for both resources.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::conditional::{condition, tag};
use super::deadline::within;
use super::entity::Entity;
use super::hal;
use super::health;
use super::paging::page_request;
use super::problem::Problem;
use super::reply::{Reply, missing, respond};
use super::request_head::{RequestHead, Target, parse_number};
use shop::delivery::journal_answer;
use shop::domain::OrderId;
use shop::health::Readiness;
use shop::store::{Result as StoreResult, Store, StoreError};

/// The deadline of the database's answer to a question.
const READ_DEADLINE: Duration = Duration::from_millis(1800);

/// Answers `GET` and `HEAD`, in the media type `form`.
pub(super) async fn read<E: Entity>(
    store: &dyn Store,
    readiness: &Readiness,
    head: &RequestHead,
    target: Target,
    form: &'static str,
) -> Reply {
    let found = |body: Vec<u8>| Ok(respond(StatusCode::OK, form, body));
    match target {
        Target::Root => found(hal::root::<E>(head)),
        Target::Profile => found(hal::profiles::<E>(head)),
        Target::Alps => found(hal::alps::<E>(head)),
        Target::Search => found(hal::searches::<E>(head, E::SEARCH.unwrap_or_default())),
        Target::Collection => {
            let request = page_request::<E>(head.parameters());
            let page = bounded(readiness, E::page(store, &request)).await?;
            found(hal::collection(head, &request, &page))
        }
        Target::Item(number) => match bounded(readiness, E::find(store, number)).await? {
            Some(entity) => item(head, &entity, form),
            None => absent::<E>(store, readiness, number).await,
        },
        Target::FindByOrder => {
            let delivery = bounded(readiness, store.delivery_of(order_in(head)?)).await?;
            delivery.map_or_else(|| Ok(missing()), |delivery| item(head, &delivery, form))
        }
        Target::Events(number) => {
            let entries = bounded(readiness, store.order_events(OrderId(number))).await?;
            if entries.is_empty() {
                let message = format!("There has never been an order {number}.");
                return Err(Problem::new(StatusCode::NOT_FOUND, message));
            }
            found(journal_answer(&entries).into_bytes())
        }
        Target::Live => Ok(health::live(form)),
        Target::Ready => Ok(health::ready(readiness, store, form).await),
        Target::Health => Ok(health::actuator(readiness, store, form).await),
    }
}

/// The answer about an item: 304 if the client has this version already, 412 if its condition demands another one.
fn item<E: Entity>(head: &RequestHead, entity: &E, form: &'static str) -> Reply {
    let (condition, version) = (condition(&head.headers)?, entity.revision());
    if !condition.allows(version) {
        return Err(Problem::otherwise(version));
    }
    let mut answer = match condition.excludes(version) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => {
            let href = hal::item_href::<E>(&head.base, entity.number());
            respond(StatusCode::OK, form, hal::item(entity, &href))
        }
    };
    tag(&mut answer, version);
    Ok(answer)
}

/// The answer for a number that no row has: 404, with a body if there is something to say about the row that was there.
pub(super) async fn absent<E: Entity>(store: &dyn Store, readiness: &Readiness, number: i64) -> Reply {
    match bounded(readiness, E::departure(store, number)).await? {
        Some(sentence) => Err(Problem::new(StatusCode::NOT_FOUND, sentence)),
        None => Ok(missing()),
    }
}

/// The order that a search names, in the parameter `id`, as in the course, or `orderId`.
fn order_in(head: &RequestHead) -> Result<OrderId, Problem> {
    let named = head.parameters().find(|(name, _)| name == "id" || name == "orderId");
    named
        .and_then(|(_, value)| parse_number(&value))
        .map(OrderId)
        .ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "The search needs the number of an order, as in findByOrderId?id=2.",
            )
        })
}

/// The database's answer to a question within the deadline; what it shows about the database is noted in `readiness`.
async fn bounded<T>(readiness: &Readiness, question: impl Future<Output = StoreResult<T>>) -> Result<T, Problem> {
    let call = readiness.begin();
    let answer = match within(READ_DEADLINE, question).await {
        // A question holds no value of the client's, so a refused value means a row that can't be read.
        Err(StoreError::Rejected(cause)) => Err(StoreError::Unreadable(cause)),
        answer => answer,
    };
    call.database(false, &answer);
    Ok(answer?)
}
