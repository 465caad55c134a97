//! Group commit over a store that the test itself plays.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use super::*;

/// Requests are numbers, and the outcome of a request is its double.
type Numbers = GroupCommit<u32, u32>;

/// A store whose first batch waits until the test opens the gate, and that notes every batch that it was given.
#[derive(Default)]
struct Played {
    gate: Notify,
    batches: Mutex<Vec<Vec<u32>>>,
}

impl Played {
    /// Starts a group commit; `verdict` says whether and how a batch fails.
    fn start(self: &Arc<Self>, verdict: impl Fn(&[u32]) -> Option<StoreError> + Send + Sync + 'static) -> Numbers {
        let (played, verdict) = (self.clone(), Arc::new(verdict));
        GroupCommit::start(move |batch: Arc<[u32]>| {
            let (played, verdict) = (played.clone(), verdict.clone());
            async move {
                let first = played.note(&batch);
                if first {
                    played.gate.notified().await;
                }
                match verdict(&batch) {
                    Some(error) => Err(error),
                    None => Ok(batch.iter().map(|number| number * 2).collect()),
                }
            }
        })
    }

    fn note(&self, batch: &[u32]) -> bool {
        let mut batches = self.batches.lock().unwrap();
        batches.push(batch.to_vec());
        batches.len() == 1
    }

    fn batches(&self) -> Vec<Vec<u32>> {
        self.batches.lock().unwrap().clone()
    }
}

/// Submits 0, lets 1..=n queue behind it, opens the gate, and returns the outcomes of 1..=n.
async fn behind_the_first(played: &Played, commit: &Numbers, n: u32) -> Vec<Result<u32, StoreError>> {
    let spawn = |number| {
        let commit = commit.clone();
        tokio::spawn(async move { commit.submit(number).await })
    };
    let first = spawn(0);
    while played.batches().is_empty() {
        tokio::task::yield_now().await;
    }
    let rest: Vec<_> = (1..=n).map(spawn).collect();
    while commit.queue.max_capacity() - commit.queue.capacity() < n as usize {
        tokio::task::yield_now().await;
    }
    played.gate.notify_one();
    first.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for task in rest {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn whoever_waits_forms_the_next_batch() {
    let played = Arc::new(Played::default());
    let commit = played.start(|_| None);
    let answers = behind_the_first(&played, &commit, 5).await;
    assert_eq!(answers, (1..=5).map(|number| Ok(number * 2)).collect::<Vec<_>>());
    assert_eq!(played.batches(), [vec![0], vec![1, 2, 3, 4, 5]]);
}

#[tokio::test]
async fn batches_are_bounded() {
    let played = Arc::new(Played::default());
    let commit = played.start(|_| None);
    behind_the_first(&played, &commit, 300).await;
    let sizes: Vec<_> = played.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 256, 44]);
}

#[tokio::test]
async fn a_guilty_piece_fails_alone() {
    let played = Arc::new(Played::default());
    let rejected = || StoreError::Rejected("3 is not allowed".into());
    let commit = played.start(move |batch| batch.contains(&3).then(rejected));
    let answers = behind_the_first(&played, &commit, 4).await;
    assert_eq!(answers, [Ok(2), Ok(4), Err(rejected()), Ok(8)]);
    assert_eq!(
        played.batches().len(),
        2 + 4,
        "what was rejected alone is not tried again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_locked_piece_is_tried_again_and_stalls_nobody() {
    let played = Arc::new(Played::default());
    let conflict = || StoreError::Conflict("3 is locked".into());
    let commit = played.start(move |batch| batch.contains(&3).then(conflict));
    let answers = behind_the_first(&played, &commit, 4).await;
    assert_eq!(answers, [Ok(2), Ok(4), Err(conflict()), Ok(8)]);
    let alone = played.batches().iter().filter(|batch| **batch == [3]).count();
    let most = PIECE_DEADLINE.div_duration_f64(PAUSES.first / 2) as usize;
    assert!((10..most).contains(&alone), "tried {alone} times");
}

#[tokio::test]
async fn the_main_loop_goes_on_while_a_piece_is_stuck() {
    let lock = Arc::new(Notify::new());
    let release = lock.clone();
    let seen = AtomicBool::new(false);
    let commit: Numbers = GroupCommit::start(move |batch: Arc<[u32]>| {
        let lock = lock.clone();
        let locked = batch.contains(&3);
        let first = locked && !seen.swap(true, Ordering::SeqCst);
        async move {
            if first {
                return Err(StoreError::Conflict("3 is locked".into()));
            }
            if locked {
                lock.notified().await;
            }
            Ok(batch.to_vec())
        }
    });
    let locked = {
        let commit = commit.clone();
        tokio::spawn(async move { commit.submit(3).await })
    };
    while commit.tasks.len() < 2 {
        tokio::task::yield_now().await;
    }
    for number in 10..20 {
        assert_eq!(commit.submit(number).await, Ok(number));
    }
    assert!(!locked.is_finished());
    release.notify_one();
    assert_eq!(locked.await.unwrap(), Ok(3));
}

#[tokio::test]
async fn what_may_have_happened_is_never_run_again() {
    for error in [
        StoreError::Unknown("lost".into()),
        StoreError::Unavailable("away".into()),
    ] {
        let played = Arc::new(Played::default());
        let answer = error.clone();
        let commit = played.start(move |batch| (batch != [0]).then(|| answer.clone()));
        let answers = behind_the_first(&played, &commit, 3).await;
        assert_eq!(answers, vec![Err(error); 3]);
        assert_eq!(played.batches().len(), 2);
    }
}

#[tokio::test]
async fn closing_answers_what_was_accepted_and_takes_nothing_more() {
    let played = Arc::new(Played::default());
    let commit = played.start(|_| None);
    let accepted = {
        let commit = commit.clone();
        tokio::spawn(async move { commit.submit(7).await })
    };
    while played.batches().is_empty() {
        tokio::task::yield_now().await;
    }
    let closing = {
        let commit = commit.clone();
        tokio::spawn(async move { commit.close().await })
    };
    commit.closing.cancelled().await;
    assert!(matches!(commit.submit(8).await, Err(StoreError::Unavailable(_))));
    played.gate.notify_one();
    closing.await.unwrap();
    assert_eq!(accepted.await.unwrap(), Ok(14));
}

#[tokio::test]
async fn a_batch_that_panics_is_answered_and_others_go_on() {
    let commit: Numbers = GroupCommit::start(|batch: Arc<[u32]>| async move {
        assert!(!batch.contains(&13), "this panic belongs to the test");
        Ok(batch.iter().map(|number| number * 2).collect())
    });
    for number in [13, 13] {
        assert!(matches!(commit.submit(number).await, Err(StoreError::Unknown(_))));
        assert_eq!(commit.submit(4).await, Ok(8));
    }
    commit.close().await;
}
