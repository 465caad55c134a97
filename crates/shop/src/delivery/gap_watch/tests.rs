use keylane_log::Timestamp;

use super::*;
use crate::domain::fence::{Mark, ParkReason, ParkedHead};

const DEADLINE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn gap(order: i64, cursor: i64) -> ParkedKey {
    ParkedKey {
        order_id: OrderId(order),
        cursor: Version(cursor),
        parked: 1,
        lowest: ParkedHead {
            version: Version(cursor + 2),
            reason: ParkReason::Gap,
            mark: None,
            since: Timestamp(0),
            lease_holder: String::new(),
            lease_until: Timestamp(0),
        },
    }
}

/// Two partitions that end at these offsets, of which the group has committed everything.
fn positions(ends: [u64; 2], committed: [u64; 2]) -> Positions {
    let extent = |end| Extent {
        start: Offset(0),
        end: Offset(end),
    };
    Positions {
        extents: ends.map(extent).to_vec(),
        committed: committed.map(|offset| (offset > 0).then_some(Offset(offset))).to_vec(),
    }
}

fn handled() -> Positions {
    positions([5, 0], [5, 0])
}

/// A look at all parked orders at once.
fn all(keys: &[ParkedKey]) -> Looked<'_> {
    Looked {
        after: OrderId(0),
        last: OrderId(i64::MAX),
        keys,
    }
}

/// The orders that are due and are to be asked about.
fn due(watch: &mut GapWatch, now: Instant) -> Vec<i64> {
    let due = watch.take_due(usize::MAX, now);
    due.into_iter().map(|(order, _)| order.0).collect()
}

#[test]
fn the_deadline_counts_once_everything_noted_has_been_handled() {
    let (mut watch, start) = (GapWatch::new(DEADLINE), Instant::now());
    let gaps = [gap(6, 1)];
    let late = start + DEADLINE * 10;
    watch.observe(all(&gaps), &positions([5, 7], [5, 6]), start);
    watch.observe(all(&gaps), &positions([5, 9], [5, 6]), late);
    assert_eq!(due(&mut watch, late), [0; 0], "it may still stand in partition 1");
    watch.observe(all(&gaps), &positions([50, 90], [5, 7]), late);
    let at = late + DEADLINE;
    assert_eq!(due(&mut watch, at - SECOND), [0; 0], "the deadline has begun");
    assert_eq!(due(&mut watch, at), [6]);
    assert_eq!(
        due(&mut watch, at + DEADLINE * 100),
        [0; 0],
        "nobody has said what came of it"
    );
}

#[test]
fn a_log_that_was_cut_holds_nothing_back() {
    let (mut watch, start) = (GapWatch::new(DEADLINE), Instant::now());
    watch.observe(all(&[gap(6, 1)]), &positions([5, 700], [5, 6]), start);
    watch.observe(all(&[gap(6, 1)]), &positions([5, 8], [5, 8]), start);
    assert_eq!(due(&mut watch, start + DEADLINE), [6]);
}

#[test]
fn a_gap_that_moves_is_another_one() {
    let (mut watch, start) = (GapWatch::new(DEADLINE), Instant::now());
    watch.observe(all(&[gap(6, 1)]), &handled(), start);
    watch.observe(all(&[gap(6, 2)]), &handled(), start + DEADLINE);
    watch.observe(all(&[gap(6, 2)]), &handled(), start + DEADLINE);
    assert_eq!(due(&mut watch, start + DEADLINE), [0; 0]);
    watch.observe(all(&[]), &handled(), start + DEADLINE);
    assert!(watch.watched.is_empty() && watch.due.is_empty());
    assert_eq!(due(&mut watch, start + DEADLINE * 9), [0; 0]);
}

#[test]
fn what_has_its_turn_is_not_watched_and_what_can_not_be_handled_is() {
    let mut watch = GapWatch::new(DEADLINE);
    let mut parked = gap(6, 1);
    parked.lowest.version = Version(2);
    watch.observe(all(&[parked.clone()]), &handled(), Instant::now());
    assert!(watch.watched.is_empty());
    for reason in [ParkReason::Poison, ParkReason::Disputed] {
        parked.lowest.reason = reason;
        parked.lowest.mark = Some(Mark::Retry);
        watch.observe(all(&[parked.clone()]), &handled(), Instant::now());
        assert!(watch.watched.is_empty(), "it is about to be tried");
        parked.lowest.mark = None;
        watch.observe(all(&[parked.clone()]), &handled(), Instant::now());
        assert_eq!(watch.watched.len(), 1);
    }
}

/// The pauses that follow one another when each question ends in the same way.
fn pauses(ending: Ending, times: usize) -> Vec<Duration> {
    let (mut watch, start) = (GapWatch::new(DEADLINE), Instant::now());
    let gaps = [gap(6, 1)];
    watch.observe(all(&gaps), &handled(), start);
    watch.observe(all(&gaps), &handled(), start);
    let mut now = start + DEADLINE;
    let mut pauses = Vec::new();
    for _ in 0..times {
        assert_eq!(due(&mut watch, now), [6]);
        watch.ended(OrderId(6), Version(1), ending, now);
        let Phase::Due(next) = watch.watched[&OrderId(6)].phase else {
            panic!("{watch:?}");
        };
        assert_eq!(due(&mut watch, next.at - Duration::from_millis(1)), [0; 0]);
        pauses.push(next.at - now);
        now = next.at;
    }
    pauses
}

#[test]
fn what_cannot_be_filled_is_asked_about_less_and_less() {
    let unfillable = pauses(Ending::Unfillable, 10);
    for (pause, whole) in unfillable.iter().zip([120, 240, 480, 600, 600, 600]) {
        assert!((SECOND * whole / 2..=SECOND * whole).contains(pause), "{unfillable:?}");
    }
    let unanswered = pauses(Ending::Unanswered, 10);
    assert!(
        unanswered[0] <= SECOND * 2 && unanswered[9] <= SECOND * 60,
        "{unanswered:?}"
    );
    assert!(unanswered[9] >= SECOND * 30, "{unanswered:?}");
}

#[test]
fn a_cursor_that_moves_begins_anew() {
    let (mut watch, start) = (GapWatch::new(DEADLINE), Instant::now());
    let look = |watch: &mut GapWatch, cursor, now| {
        let gaps = [gap(6, cursor)];
        watch.observe(all(&gaps), &handled(), now);
        watch.observe(all(&gaps), &handled(), now);
    };
    look(&mut watch, 1, start);
    let at = start + DEADLINE;
    assert_eq!(due(&mut watch, at), [6]);
    watch.ended(OrderId(6), Version(1), Ending::Unfillable, at);
    look(&mut watch, 2, at);
    watch.ended(OrderId(6), Version(1), Ending::Unfillable, at);
    assert_eq!(due(&mut watch, at + DEADLINE), [6], "as if it were the first");
    assert_eq!(watch.watched[&OrderId(6)].tries, 0);
}

#[test]
fn what_a_person_has_marked_goes_before_everything_and_begins_anew() {
    let (mut watch, start) = (GapWatch::new(DEADLINE), Instant::now());
    let gaps: Vec<_> = (1..=10_000).map(|order| gap(order, 1)).collect();
    watch.observe(all(&gaps), &positions([5, 0], [0, 0]), start);
    assert_eq!(due(&mut watch, start), [0; 0]);
    watch.hurry(&gaps[9_000..9_001], start);
    watch.hurry(&gaps[9_000..9_001], start);
    assert_eq!(due(&mut watch, start), [9_001], "though the log may still fill it");
    watch.hurry(&gaps[9_000..9_001], start);
    assert_eq!(due(&mut watch, start), [0; 0], "it is being asked about");
    watch.ended(OrderId(9_001), Version(1), Ending::Unfillable, start);

    watch.observe(all(&gaps), &handled(), start);
    watch.hurry(&gaps[9_000..9_001], start + DEADLINE);
    let taken = watch.take_due(3, start + DEADLINE);
    assert_eq!(
        taken.iter().map(|(order, _)| order.0).collect::<Vec<_>>(),
        [9_001, 1, 2]
    );
    assert_eq!(watch.watched[&OrderId(9_001)].tries, 0);
}

/// A look at one page of orders says nothing about the orders of other pages.
#[test]
fn only_what_was_looked_for_is_forgotten() {
    let (mut watch, now) = (GapWatch::new(DEADLINE), Instant::now());
    let gaps: Vec<_> = (1..=9).map(|order| gap(order, 1)).collect();
    watch.observe(all(&gaps), &handled(), now);
    let part = Looked {
        after: OrderId(3),
        last: OrderId(6),
        keys: &gaps[4..5],
    };
    watch.observe(part, &handled(), now);
    assert_eq!(
        watch.watched.keys().map(|order| order.0).collect::<Vec<_>>(),
        [1, 2, 3, 5, 7, 8, 9]
    );
}

/// Looks at all orders a page at a time, asks about those that are due, and reports that only `fillable` can be filled.
struct Round {
    watch: GapWatch,
    gaps: Vec<ParkedKey>,
    fillable: OrderId,
    now: Instant,
    asked: u64,
}

impl Round {
    fn turn(&mut self) -> bool {
        let mut after = OrderId(0);
        for page in self.gaps.chunks(1000) {
            let last = page.last().expect("a page is not empty").order_id;
            let looked = Looked {
                after,
                last,
                keys: page,
            };
            self.watch.observe(looked, &handled(), self.now);
            after = last;
            for (order, cursor) in self.watch.take_due(100, self.now) {
                self.asked += 1;
                if order == self.fillable {
                    return true;
                }
                self.watch.ended(order, cursor, Ending::Unfillable, self.now);
            }
            self.now += SECOND;
        }
        false
    }
}

#[test]
fn one_that_can_be_filled_has_its_turn_behind_any_number_that_cannot() {
    for room in [100_000, 500] {
        let mut round = Round {
            watch: GapWatch::with_room(DEADLINE, room),
            gaps: (1..=10_001).map(|order| gap(order, 1)).collect(),
            fillable: OrderId(10_001),
            now: Instant::now(),
            asked: 0,
        };
        let mut turns = 0;
        while !round.turn() {
            turns += 1;
            assert!(turns < 1000, "room {room}: {} asked, and never the one", round.asked);
            assert!(round.watch.watched.len() <= room);
        }
        if room > 10_001 {
            assert!(
                round.asked <= 10_001,
                "nobody was asked about twice before it: {}",
                round.asked
            );
        }
    }
}

/// While one partition makes no progress and the other grows, each look would note other ends of the log.
#[test]
fn the_notes_are_bounded_and_all_of_them_end() {
    let (mut watch, start) = (GapWatch::new(DEADLINE), Instant::now());
    let gaps: Vec<_> = (1..=500).map(|order| gap(order, 1)).collect();
    for count in 1..=500 {
        watch.observe(all(&gaps[..count]), &positions([count as u64, 0], [0, 0]), start);
        assert!(watch.notes.len() <= NOTES);
    }
    watch.observe(all(&gaps), &positions([500, 0], [499, 0]), start);
    assert!(
        due(&mut watch, start + DEADLINE).len() < 100,
        "the latest end counts for whoever shares a note"
    );
    watch.observe(all(&gaps), &positions([500, 0], [500, 0]), start);
    assert!(watch.notes.is_empty());
    assert_eq!(watch.due.len() + 63, 500);
}
