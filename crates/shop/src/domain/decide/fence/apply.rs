//! Events that have their turn, and those that have not.

use std::sync::Arc;

use super::row::{Claim, DeliveryState, Head, Row, Standing};
use super::{Fold, Folded, Moved};
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
        match (row.standing(version), row.claim(version, event, received.is_written())) {
            (Standing::Passed, _) => FenceOutcome::Duplicate,
            (_, Claim::GivenUp) => FenceOutcome::GivenUp,
            (_, Claim::Disputed) => FenceOutcome::Disputed,
            (Standing::Above, _) => self.park(received, version),
            (Standing::Next, Claim::Free) => FenceOutcome::Next { leased: false },
            (Standing::Next, Claim::Same) => self.look_again(received, version),
            (Standing::Next, Claim::TakesOver) => {
                let (event, record) = (Some(event.clone()), received.record.clone());
                let head = Head::new(version, ParkReason::Gap, now, event, record);
                row.park(head).lease(&received.request.provenance.instance, now);
                FenceOutcome::Next { leased: true }
            }
        }
    }

    /// An event that is parked, and has its turn, comes once more.
    fn look_again(&mut self, received: &Received, version: Version) -> FenceOutcome {
        let now = self.now;
        match self.row(received.request.event.order_id).heads.get_mut(&version) {
            Some(head) if head.state.may_be_taken(now) => {
                head.lease(&received.request.provenance.instance, now);
                FenceOutcome::Next { leased: true }
            }
            Some(head) => FenceOutcome::Parked(head.state.reason),
            None => FenceOutcome::Next { leased: false },
        }
    }

    /// The event's slow work is done. Whether somebody else is at it too makes no difference: whoever comes first writes
    /// what the other would have written.
    pub(super) fn apply(&mut self, received: &Received) -> Folded {
        let event = &received.request.event;
        let Some(version) = event.version else {
            return match self.unversioned(event) {
                Some(outcome) => Folded::Answered(outcome),
                None => Folded::Applied {
                    effect: Box::new(self.take_effect(&received.request)),
                    moved: Moved::default(),
                },
            };
        };
        let row = self.row(event.order_id);
        let blocked = row.heads.get(&version).filter(|head| head.state.is_blocked());
        let reason = blocked.map(|head| head.state.reason);
        match (row.standing(version), row.claim(version, event, received.is_written())) {
            (Standing::Passed, _) => Folded::Answered(FenceOutcome::Duplicate),
            (_, Claim::GivenUp) => Folded::Answered(FenceOutcome::GivenUp),
            (_, Claim::Disputed) => Folded::Answered(FenceOutcome::Disputed),
            (Standing::Above, _) => Folded::Answered(self.park(received, version)),
            (Standing::Next, claim) => match (reason, self.refusal(event)) {
                (Some(reason), _) if claim == Claim::Same => Folded::Answered(FenceOutcome::Parked(reason)),
                (_, Some(why)) => Folded::Answered(FenceOutcome::Refused(why)),
                (_, None) => self.applied(received),
            },
        }
    }

    fn applied(&mut self, received: &Received) -> Folded {
        let request = &received.request;
        let effect = Box::new(self.take_effect(request));
        let moved = self.advance(request.event.order_id, &request.provenance.instance);
        Folded::Applied { effect, moved }
    }

    /// Keeps an early event, in the place of what gives way to it.
    fn park(&mut self, received: &Received, version: Version) -> FenceOutcome {
        let now = self.now;
        let (event, written) = (&received.request.event, received.is_written());
        let row = self.row(event.order_id);
        if row.claim(version, event, written) == Claim::Same {
            return FenceOutcome::Parked(row.heads[&version].state.reason);
        }
        let first = row.heads.get(&row.cursor.next());
        let reason = match first.is_some_and(|head| head.state.is_blocked()) {
            true => ParkReason::Behind,
            false => ParkReason::Gap,
        };
        let (event, record) = (Some(event.clone()), received.record.clone());
        row.park(Head::new(version, reason, now, event, record));
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
fn discarded(row: &Row, order_id: OrderId, holder: &Arc<str>, at: keylane_log::Timestamp) -> NewApply {
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
