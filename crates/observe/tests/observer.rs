//! The ring of observations: what readers get, in which order, and what they are told when they come too late.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use observe::{Batch, Observer, What};

fn passed(version: i64) -> What {
    What::PassedOver { order: 1, version }
}

/// The versions in a batch, each of which the tests emit in ascending order.
fn versions(batch: &Batch) -> Vec<i64> {
    let version = |what: &What| match what {
        What::PassedOver { version, .. } => *version,
        other => panic!("{other:?}"),
    };
    batch.observations.iter().map(|seen| version(&seen.what)).collect()
}

#[test]
fn each_reader_gets_everything_once() {
    let observer = Observer::keeping(8, "order", 7);
    let (mut one, mut two) = (observer.after(0), observer.after(0));
    for version in 1..=3 {
        observer.emit(version * 10, passed(version));
    }
    let first = one.read(2);
    assert_eq!((versions(&first), first.missed), (vec![1, 2], 0));
    assert_eq!((first.observations[1].seq, first.observations[1].at), (2, 20));
    assert_eq!(&*first.observations[1].who, "order");
    assert_eq!(versions(&one.read(9)), [3]);
    assert_eq!(one.read(9), Batch::default());
    assert_eq!(versions(&two.read(9)), [1, 2, 3]);
    observer.clone().emit(0, passed(4));
    assert_eq!((versions(&one.read(9)), one.seq()), (vec![4], 4));
    assert_eq!(versions(&observer.after(2).read(9)), [3, 4], "it resumes");
    assert_eq!((observer.last(), observer.incarnation()), (4, 7));
}

#[test]
fn who_fell_behind_is_told_how_many_are_gone() {
    let observer = Observer::keeping(4, "order", 0);
    let mut reader = observer.after(0);
    (1..=2).for_each(|version| observer.emit(0, passed(version)));
    assert_eq!(versions(&reader.read(1)), [1]);
    (3..=10).for_each(|version| observer.emit(0, passed(version)));
    let batch = reader.read(9);
    assert_eq!((batch.missed, versions(&batch)), (5, vec![7, 8, 9, 10]));
    assert_eq!(reader.read(9), Batch::default());
}

#[test]
fn an_observer_of_nothing_keeps_nothing() {
    let observer = Observer::none();
    observer.emit(0, What::Stopped);
    assert_eq!(observer.after(0).read(9), Batch::default());
    assert_eq!((observer.last(), &*observer.who()), (0, ""));
}

/// Three threads emit faster than a fourth reads: nothing is read twice or out of order, and what is read and what is missed
/// are all that was emitted.
#[test]
fn many_threads_lose_nothing_without_a_count() {
    const EACH: i64 = 50_000;
    let (observer, over) = (Observer::keeping(64, "order", 0), AtomicBool::new(false));
    let (read, missed) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut reader, mut read, mut missed, mut last) = (observer.after(0), 0, 0, 0);
            loop {
                let ended = over.load(Relaxed);
                let batch = reader.read(1000);
                missed += batch.missed;
                let mut expected = last + batch.missed;
                for observation in &batch.observations {
                    expected += 1;
                    assert_eq!(observation.seq, expected, "in order and without a gap");
                    read += 1;
                }
                last = expected;
                assert_eq!(last, reader.seq());
                if ended && batch == Batch::default() {
                    return (read, missed);
                }
            }
        });
        let emitters: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| (1..=EACH).for_each(|version| observer.emit(0, passed(version)))))
            .collect();
        emitters
            .into_iter()
            .for_each(|emitter| emitter.join().expect("it emits"));
        over.store(true, Relaxed);
        reader.join().expect("it reads")
    });
    assert_eq!(read + missed, 3 * EACH as u64);
    assert!(read >= 64, "the last ones are there: {read}");
}
