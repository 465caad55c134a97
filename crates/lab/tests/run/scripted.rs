//! A world that follows a script: what it is told to do, how it answers, and what is then observed.

use std::collections::VecDeque;

use lab::checker::History;
use lab::scenario::Action;
use lab::world::{Answer, Progress, Trouble, World};
use observe::{Assignment, Before, Effect, Ending, Event, Observation, Place, What};
use shop::domain::{OrderEventType, OrderId, Version};

use crate::model::Model;

pub struct Scripted {
    beats: VecDeque<Beat>,
    seen: Vec<Observation>,
    pub history: History,
}

/// One call of the world, and what comes of it.
pub struct Beat {
    /// The line of an action, or `advance`, or `settle`.
    call: &'static str,
    answer: Result<Answer, Trouble>,
    then: Vec<Observation>,
}

pub fn on(call: &'static str, then: Vec<Observation>) -> Beat {
    let answer = Ok(match call.starts_with("place") {
        true => Answer::Placed(OrderId(1)),
        false => Answer::Done,
    });
    Beat { call, answer, then }
}

pub fn answered(call: &'static str, answer: Result<Answer, Trouble>) -> Beat {
    let then = Vec::new();
    Beat { call, answer, then }
}

impl Scripted {
    pub fn new(beats: Vec<Beat>, history: History) -> Self {
        let (beats, seen) = (beats.into(), Vec::new());
        Self { beats, seen, history }
    }

    /// The next beat, which has to be for this call.
    fn play(&mut self, call: &str) -> Result<Answer, Trouble> {
        let beat = self.beats.pop_front();
        let beat = beat.unwrap_or_else(|| panic!("{call}: the script has ended"));
        assert_eq!(beat.call, call);
        self.seen.extend(beat.then);
        beat.answer
    }
}

impl World for Scripted {
    fn act(&mut self, action: &Action) -> Result<Answer, Trouble> {
        self.play(&action.to_string())
    }

    fn advance(&mut self) -> Result<Progress, Trouble> {
        if self.beats.front().is_none_or(|beat| beat.call != "advance") {
            return Ok(Progress::Still);
        }
        self.play("advance").map(|_| Progress::Moved)
    }

    fn settle(&mut self) -> Result<(), Trouble> {
        self.play("settle").map(|_| ())
    }

    fn observations(&mut self) -> Vec<Observation> {
        std::mem::take(&mut self.seen)
    }

    fn history(&mut self) -> Result<History, Trouble> {
        assert!(self.beats.is_empty(), "{} is still to come", self.beats[0].call);
        Ok(self.history.clone())
    }
}

/// So many milliseconds after the beginning, somebody sees this.
pub fn seen(at: i64, who: &str, what: What) -> Observation {
    Observation {
        seq: 0,
        at: 1_000_000 + at,
        who: who.into(),
        what,
    }
}

/// An event of order 1.
pub fn event(version: i64) -> Event {
    let name = ["OrderPlaced", "OrderModified", "OrderCancelled"][version as usize - 1];
    Event {
        order: 1,
        delivery: None,
        version: Some(version),
        name: Some(name.into()),
    }
}

pub fn place(partition: u32, offset: u64) -> Place {
    Place { partition, offset }
}

pub fn published(version: i64, at: Place) -> What {
    What::Published {
        event: event(version),
        place: at,
        key: None,
    }
}

pub fn begun(version: i64, at: Place) -> What {
    What::Begun {
        event: event(version),
        place: Some(at),
        takes: 10_000_000,
    }
}

pub fn finished(version: i64, at: Place, ending: Ending) -> What {
    What::Finished {
        event: Some(event(version)),
        place: Some(at),
        epoch: Some(1),
        took: 0,
        ending,
    }
}

pub fn effect(status: &'static str) -> Effect {
    Effect {
        delivery: 1,
        status: Some(status.into()),
        before: None::<Before>,
    }
}

pub fn assigned(partition: u32, position: u64) -> What {
    let epoch = 1;
    let partitions = vec![Assignment {
        partition,
        position,
        epoch,
    }];
    What::Assigned { partitions }
}

/// Order 1 is placed, modified and cancelled, and all of it takes effect in its order.
pub fn good() -> History {
    let mut model = Model::new(1);
    for event in [
        OrderEventType::Placed,
        OrderEventType::Modified,
        OrderEventType::Cancelled,
    ] {
        model.event(OrderId(1), event);
    }
    model.done()
}

/// The same, but the modification takes effect last.
pub fn bad() -> History {
    let mut history = good();
    let effect = |version: i64| Version(version);
    history.applied[1].counter = 9;
    history.applied[1].before = effect(3);
    history.applied[1].after = effect(3);
    history.applied[2].before = effect(1);
    history.deliveries[0].status = Some("DELIVERY MODIFIED".to_owned());
    history
}
