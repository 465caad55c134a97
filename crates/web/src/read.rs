//! What can be read of either resource.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::asked::{Asked, Target, parse_number};
use super::conditional::{condition, tag};
use super::entity::Entity;
use super::hal;
use super::health;
use super::paging::page_request;
use super::problem::Problem;
use super::reply::{Reply, missing, respond};
use shop::domain::{Delivery, JournalEntry, OrderId};
use shop::health::Readiness;
use shop::store::{Result as StoreResult, Store, StoreError};

/// How long the database may take to answer a question.
const READ_DEADLINE: Duration = Duration::from_millis(1800);

/// Answers `GET` and `HEAD`, in the media type `form`.
pub(super) async fn read<E: Entity>(
    store: &dyn Store,
    readiness: &Readiness,
    asked: &Asked,
    target: Target,
    form: &'static str,
) -> Reply {
    let found = |body: Vec<u8>| Ok(respond(StatusCode::OK, form, body));
    match target {
        Target::Root => found(hal::root::<E>(asked)),
        Target::Profile => found(hal::profiles::<E>(asked)),
        Target::Alps => found(hal::alps::<E>(asked)),
        Target::Search => found(hal::searches::<E>(asked, E::SEARCH.unwrap_or_default())),
        Target::Collection => {
            let request = page_request::<E>(asked.parameters());
            let page = bounded(readiness, E::page(store, &request)).await?;
            found(hal::collection(asked, &request, &page))
        }
        Target::Item(number) => item(asked, bounded(readiness, E::find(store, number)).await?, form),
        Target::FindByOrder => {
            let delivery: Option<Delivery> = bounded(readiness, store.delivery_of(order_in(asked)?)).await?;
            item(asked, delivery, form)
        }
        Target::Events(number) => {
            let entries = bounded(readiness, store.order_events(OrderId(number))).await?;
            if entries.is_empty() {
                let message = format!("There has never been an order {number}.");
                return Err(Problem::new(StatusCode::NOT_FOUND, message));
            }
            found(events(&entries).into_bytes())
        }
        Target::Live => Ok(health::live(form)),
        Target::Ready => Ok(health::ready(readiness, store, form).await),
        Target::Health => Ok(health::actuator(readiness, store, form).await),
    }
}

/// The item, unless the client has it already or has demanded another one.
fn item<E: Entity>(asked: &Asked, found: Option<E>, form: &'static str) -> Reply {
    let Some(entity) = found else { return Ok(missing()) };
    let (condition, version) = (condition(&asked.headers)?, entity.revision());
    if !condition.allows(version) {
        return Err(Problem::otherwise(version));
    }
    let mut answer = match condition.excludes(version) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => {
            let href = hal::item_href::<E>(&asked.base, entity.number());
            respond(StatusCode::OK, form, hal::item(&entity, &href))
        }
    };
    tag(&mut answer, version);
    Ok(answer)
}

/// The order that a search names: `id`, as in the course, or `orderId`.
fn order_in(asked: &Asked) -> Result<OrderId, Problem> {
    let named = asked.parameters().find(|(name, _)| name == "id" || name == "orderId");
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

/// A JSON array; each payload is the record's value as it was published.
fn events(entries: &[JournalEntry]) -> String {
    let rendered = entries.iter().map(
        |JournalEntry {
             version,
             event_type,
             timestamp,
             payload,
             ..
         }| {
            let (name, timestamp) = (event_type.name(), timestamp.0);
            format!(r#"{{"version":{version},"type":"{name}","timestamp":{timestamp},"payload":{payload}}}"#)
        },
    );
    format!("[{}]", rendered.collect::<Vec<_>>().join(","))
}

async fn bounded<T>(readiness: &Readiness, question: impl Future<Output = StoreResult<T>>) -> Result<T, Problem> {
    let late = || StoreError::Unavailable(format!("the database has not answered within {READ_DEADLINE:?}"));
    let call = readiness.begin();
    let answer = tokio::time::timeout(READ_DEADLINE, question).await;
    let answer = match answer.unwrap_or_else(|_| Err(late())) {
        // Nothing of the client's is in a question that the database could refuse.
        Err(StoreError::Rejected(cause)) => Err(StoreError::Unreadable(cause)),
        answer => answer,
    };
    call.database(false, &answer);
    Ok(answer?)
}
