//! Measures what it costs to emit an observation, with its making and its end in the ring, by one thread and by two.
//!
//! `cargo run --release -p observe --example emit_cost`

use std::hint::black_box;
use std::time::{Duration, Instant};

use observe::{Effect, Ending, Event, Observer, Place, What};

const TIMES: u32 = 2_000_000;

fn finished(number: i64) -> What {
    What::Finished {
        event: Some(Event {
            order: number,
            delivery: None,
            version: Some(1),
            name: Some("OrderModified".into()),
        }),
        place: Some(Place {
            partition: 1,
            offset: number as u64,
        }),
        epoch: Some(1),
        took: 12,
        ending: Ending::Applied(Effect {
            delivery: number,
            status: Some("DELIVERY MODIFIED".into()),
            before: None,
        }),
    }
}

fn published(number: i64) -> What {
    What::Published {
        event: Event {
            order: number,
            delivery: None,
            version: Some(1),
            name: Some("OrderModified".into()),
        },
        place: Place {
            partition: 1,
            offset: number as u64,
        },
        key: Some(number.to_string()),
    }
}

fn each(observer: &Observer, what: fn(i64) -> What) -> Duration {
    let start = Instant::now();
    for number in 0..i64::from(TIMES) {
        observer.emit(number, black_box(what(black_box(number))));
    }
    start.elapsed() / TIMES
}

fn main() {
    println!("an observation has {} bytes", size_of::<observe::Observation>());
    for (name, what) in [("finished", finished as fn(i64) -> What), ("published", published)] {
        let (kept, none) = (Observer::new("delivery-1", 1), Observer::none());
        println!(
            "{name}: {:?} each, {:?} into nothing",
            each(&kept, what),
            each(&none, what)
        );
        let two = std::thread::scope(|scope| {
            let threads = [scope.spawn(|| each(&kept, what)), scope.spawn(|| each(&kept, what))];
            threads.map(|thread| thread.join().expect("it emits"))
        });
        println!("{name}: {two:?} each by two threads at once");
        let start = Instant::now();
        let batch = kept.after(0).read(usize::MAX);
        let read = batch.observations.len() as u32;
        println!("{name}: {:?} each to read", start.elapsed() / read);
    }
}
