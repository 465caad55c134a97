//! Events that have their turn, and those that have not.

use std::sync::Arc;

use super::row::{DeliveryState, Head, Row, Standing};
use super::{Fold, Moved, Step};
use crate::domain::decide::effects::{Effect, NewDelivery, fields_after};
use crate::domain::decide::orders::merged;
use crate::domain::decide::{ApplyKind, NewApply};
use crate::domain::fence::{FenceOutcome, Mark, ParkReason, Received};
use crate::domain::{DeliveryRequest, IncomingEvent, OrderEventType, OrderFields, OrderId, Provenance, Version};

impl Fold {
    /// What is to become of an event, before its slow work.
    pub(super) fn look(&mut self, received: &Received) -> FenceOutcome {
        let now = self.now;
        let event = &received.request.event;
        let Some(version) = event.version else {
            return match self.unversioned(event) {
                Some(outcome) => outcome,
                None => FenceOutcome::Next { leased: false },
            };
        };
        let row = self.row(event.order_id);
        match row.standing(version) {
            Standing::Passed => FenceOutcome::Duplicate,
            Standing::Above => self.park(received, version),
            Standing::Next => match row.heads.get_mut(&version) {
                None => FenceOutcome::Next { leased: false },
                Some(head) if head.state.may_be_taken(now) && head.state.mark != Some(Mark::Discard) => {
                    head.lease(&received.request.provenance.instance, now);
                    FenceOutcome::Next { leased: true }
                }
                Some(head) => FenceOutcome::Parked(head.state.reason),
            },
        }
    }

    /// The event's slow work is done. Whether somebody else is at it too makes no difference: whoever comes first writes
    /// what the other would have written.
    pub(super) fn apply(&mut self, received: &Received) -> Step {
        let event = &received.request.event;
        let Some(version) = event.version else {
            return match self.unversioned(event) {
                Some(outcome) => Step::Answered(outcome),
                None => Step::Applied {
                    effect: Box::new(self.take_effect(&received.request)),
                    moved: Moved::default(),
                },
            };
        };
        let row = self.row(event.order_id);
        match row.standing(version) {
            Standing::Passed => Step::Answered(FenceOutcome::Duplicate),
            Standing::Above => Step::Answered(self.park(received, version)),
            Standing::Next => match (row.given_up(version), self.refusal(event)) {
                (Some(reason), _) => Step::Answered(FenceOutcome::Parked(reason)),
                (None, Some(why)) => Step::Answered(FenceOutcome::Refused(why)),
                (None, None) => {
                    let effect = Box::new(self.take_effect(&received.request));
                    let moved = self.advance(event.order_id, &received.request.provenance.instance);
                    Step::Applied { effect, moved }
                }
            },
        }
    }

    fn park(&mut self, received: &Received, version: Version) -> FenceOutcome {
        let now = self.now;
        let row = self.row(received.request.event.order_id);
        if let Some(head) = row.heads.get(&version) {
            return FenceOutcome::Parked(head.state.reason);
        }
        let blocked = row.heads.get(&row.cursor.next());
        let reason = match blocked.is_some_and(|head| head.state.reason == ParkReason::Poison) {
            true => ParkReason::Behind,
            false => ParkReason::Gap,
        };
        row.park(Head::new(version, reason, now, received.record.clone()));
        FenceOutcome::Parked(reason)
    }

    /// Takes what is parked behind the cursor for `holder`, and passes over what a person has given up.
    pub(super) fn advance(&mut self, order_id: OrderId, holder: &Arc<str>) -> Moved {
        let now = self.now;
        let row = self.row(order_id);
        let mut moved = Moved::default();
        while let Some(head) = row.heads.get_mut(&row.cursor.next()) {
            if head.state.mark == Some(Mark::Discard) {
                row.advance();
                moved.discards.push(discarded(row, order_id, holder, now));
                continue;
            }
            if head.state.may_be_taken(now) {
                head.lease(holder, now);
                moved.next = Some((order_id, row.cursor.next()));
            }
            break;
        }
        moved
    }

    /// Without a version there is only the delivery's state: nothing follows a cancellation, and nothing is placed twice.
    fn unversioned(&mut self, event: &IncomingEvent) -> Option<FenceOutcome> {
        let exists = self.status(event.order_id).is_some();
        if let (true, OrderEventType::Placed) = (exists, event.event_type) {
            let why = format!("order {} has a delivery already", event.order_id);
            return Some(FenceOutcome::Ignored(why));
        }
        let why = self.refusal(event)?;
        Some(match exists {
            true => FenceOutcome::Ignored(why),
            false => FenceOutcome::Refused(why),
        })
    }

    /// What the delivery's state says against an event.
    fn refusal(&mut self, event: &IncomingEvent) -> Option<String> {
        let order = event.order_id;
        match (self.status(order), event.event_type) {
            (None, OrderEventType::Placed) => None,
            (None, _) => Some(format!("there is no delivery of order {order}")),
            (Some(status), _) if status == OrderEventType::Cancelled.delivery_status() => Some(format!(
                "the delivery of order {order} is cancelled, and nothing follows a cancellation"
            )),
            (Some(_), _) => None,
        }
    }

    /// The delivery's status, if there is a delivery.
    fn status(&self, order: OrderId) -> Option<&str> {
        match &self.rows.get(&order)?.delivery {
            DeliveryState::None => None,
            DeliveryState::Existing(delivery) => Some(delivery.status.as_deref().unwrap_or_default()),
            DeliveryState::New(insert) => Some(self.inserts[*insert].status),
        }
    }

    /// Changes the delivery, and moves the cursor if the event has a version.
    fn take_effect(&mut self, request: &DeliveryRequest) -> Effect {
        let event = &request.event;
        let row = self.rows.get_mut(&event.order_id).expect("its row is loaded");
        let before = row.cursor;
        match (event.version, &row.delivery) {
            (Some(_), _) => row.advance(),
            (None, DeliveryState::None) => row.made_unversioned(),
            (None, _) => {}
        }
        let after = row.cursor;
        match &mut row.delivery {
            DeliveryState::None => {
                let state = NewDelivery {
                    order_id: event.order_id,
                    fields: merged(&OrderFields::default(), &event.fields),
                    status: event.event_type.delivery_status(),
                    version: after.max(Version(1)),
                    events: Version(1),
                };
                let insert = self.inserts.len();
                row.delivery = DeliveryState::New(insert);
                self.inserts.push(state.clone());
                Effect::new(request, before, after, insert, state)
            }
            DeliveryState::Existing(delivery) => {
                delivery.fields = fields_after(&delivery.fields, event);
                delivery.status = Some(event.event_type.delivery_status().to_owned());
                delivery.version = after;
                delivery.events = delivery.events.next();
                let delivery = delivery.clone();
                row.touch();
                Effect::existing(request, before, after, delivery)
            }
            DeliveryState::New(insert) => {
                let insert = *insert;
                let state = &mut self.inserts[insert];
                state.fields = fields_after(&state.fields, event);
                state.status = event.event_type.delivery_status();
                state.version = after;
                state.events = state.events.next();
                let state = state.clone();
                Effect::new(request, before, after, insert, state)
            }
        }
    }
}

/// The history's row of a version that was passed over: what it was is in its record, which nobody has read here.
fn discarded(row: &Row, order_id: OrderId, holder: &Arc<str>, at: eventlog::Timestamp) -> NewApply {
    let delivery_id = match &row.delivery {
        DeliveryState::Existing(delivery) => Some(delivery.id),
        DeliveryState::None | DeliveryState::New(_) => None,
    };
    NewApply {
        order_id,
        version: Some(row.cursor),
        event_type: None,
        kind: ApplyKind::Discarded,
        delivery_id,
        before: Version(row.cursor.0 - 1),
        after: row.cursor,
        provenance: Provenance {
            instance: holder.clone(),
            epoch: None,
            place: None,
        },
        at,
    }
}
