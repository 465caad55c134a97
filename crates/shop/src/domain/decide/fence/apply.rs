//! The fence's decision on an event: which one takes effect, which is parked, and which comes to nothing.

use std::sync::Arc;

use keylane_log::Timestamp;
use planted::Bug;

use super::row::{Claim, DeliveryState, Head, Row, Standing};
use super::{Fold, Folded, Moved};
use crate::domain::decide::effects::{Effect, NewDelivery, fields_after};
use crate::domain::decide::orders::merged;
use crate::domain::decide::{ApplyKind, NewApply};
use crate::domain::fence::{FenceOutcome, Mark, ParkReason, Received, Worker};
use crate::domain::{DeliveryRequest, IncomingEvent, OrderEventType, OrderFields, OrderId, Provenance, Version};

impl Fold {
    /// Decides on an event before its slow work: whether the work is worth doing, or what becomes of the event without it.
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

    /// Decides as [`look`](Self::look) does, and notes who works on the event until when at most.
    pub(super) fn begin(&mut self, received: &Received, until: Timestamp) -> FenceOutcome {
        let outcome = self.look(received);
        let request = &received.request;
        if let (FenceOutcome::Next { .. }, Some(_)) = (&outcome, request.event.version) {
            let instance = request.provenance.instance.to_string();
            self.row(request.event.order_id).begin(Worker { instance, until });
        }
        outcome
    }

    /// Decides on an event that arrives once more while it is parked and is the next one after the cursor: it is leased to
    /// the caller, unless another instance has leased it or it is blocked.
    fn look_again(&mut self, received: &Received, version: Version) -> FenceOutcome {
        let now = self.now;
        let order = received.request.event.order_id;
        match self.row(order).heads.get_mut(&version) {
            Some(head) if head.state.may_be_taken(now) => {
                head.lease(&received.request.provenance.instance, now);
                FenceOutcome::Next { leased: true }
            }
            Some(head) if head.state.is_blocked() => FenceOutcome::Parked(head.state.reason),
            Some(head) => {
                let reason = head.state.reason;
                FenceOutcome::Early(self.row(order).early(reason, now))
            }
            None => FenceOutcome::Next { leased: false },
        }
    }

    /// Decides on an event whose slow work is done. Another instance may be handling it too: the first one to come here
    /// writes what the other would have written.
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
        let standing = match planted::is_in(Bug::NoSecondCompare) {
            true => Standing::Next,
            false => row.standing(version),
        };
        match (standing, row.claim(version, event, received.is_written())) {
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

    /// Parks an event that came too early, in the place of what gives way to it if its version's slot is taken.
    fn park(&mut self, received: &Received, version: Version) -> FenceOutcome {
        let now = self.now;
        let (event, written) = (&received.request.event, received.is_written());
        let row = self.row(event.order_id);
        if row.claim(version, event, written) == Claim::Same {
            let head = &row.heads[&version].state;
            return match head.is_blocked() {
                true => FenceOutcome::Parked(head.reason),
                false => FenceOutcome::Early(row.early(head.reason, now)),
            };
        }
        let first = row.heads.get(&row.cursor.next());
        let reason = match first.is_some_and(|head| head.state.is_blocked()) {
            true => ParkReason::Behind,
            false => ParkReason::Gap,
        };
        let (event, record) = (Some(event.clone()), received.record.clone());
        row.park(Head::new(version, reason, now, event, record));
        FenceOutcome::Early(row.early(reason, now))
    }

    /// Leases the parked event that is next after the cursor to `holder`, after moving the cursor past the versions that a
    /// person has marked to be discarded.
    pub(super) fn advance(&mut self, order_id: OrderId, holder: &Arc<str>) -> Moved {
        let now = self.now;
        let row = self.row(order_id);
        let mut moved = Moved::default();
        while let Some(head) = row.heads.get_mut(&row.cursor.next()) {
            if head.state.mark == Some(Mark::Discard) {
                row.advance_to(row.cursor.next());
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

    /// Decides on an event without a version by the delivery's state alone: nothing follows a cancellation, and no order is
    /// placed twice. None if the event may take effect.
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

    /// The reason why the delivery's state does not allow an event; none if it does.
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

    /// The status of the order's delivery (empty if the row has none); none if there is no delivery.
    fn status(&self, order: OrderId) -> Option<&str> {
        match &self.rows.get(&order)?.delivery {
            DeliveryState::None => None,
            DeliveryState::Existing(delivery) => Some(delivery.status.as_deref().unwrap_or_default()),
            DeliveryState::New(insert) => Some(self.inserts[*insert].status),
        }
    }

    /// Changes the delivery as the event says, or makes it, and moves the cursor if the event has a version.
    fn take_effect(&mut self, request: &DeliveryRequest) -> Effect {
        let event = &request.event;
        let row = self.rows.get_mut(&event.order_id).expect("its row is loaded");
        let before = row.cursor;
        match (event.version, &row.delivery) {
            (Some(version), _) => row.advance_to(version),
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

/// The apply history's row of a version that was passed over. It names no event type, because the fence has not read the
/// parked record.
fn discarded(row: &Row, order_id: OrderId, holder: &Arc<str>, at: Timestamp) -> NewApply {
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
