//! Tells what went wrong with an order as one story: the cause first, and then what followed from it.
//!
//! ```text
//!   split-key    its events stand in the partitions 0, 1
//!     → inversion    v2 took effect after v3
//!     → divergence   status is … and should be …
//! ```
//! A verdict follows from another one if such a thing can come of it and both are about the same versions. What follows from
//! nothing else begins a chapter of its own.

use keylane_log::Partition;
use shop::domain::{OrderId, Version};

use super::verdict::{Anomaly, Fact, Severity, Verdict};

/// Everything that went wrong with one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// The order.
    pub order: OrderId,
    /// One chapter for each cause, those that did harm first. There is at least one.
    pub chapters: Vec<Chapter>,
}

/// A cause, and what followed from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// What went wrong first.
    pub cause: Verdict,
    /// What came of it, each behind what it followed from.
    pub follows: Vec<Verdict>,
}

/// Each anomaly, with those that can follow from it. A cause stands before what follows from it, and what a person decided
/// before all.
const CAUSES: [(Anomaly, &[Anomaly]); 20] = {
    use Anomaly as A;
    [
        (A::Discarded, &[A::Skip, A::Divergence]),
        (A::LostEvent, &[A::LostApply, A::Orphan, A::Skip, A::Divergence]),
        (A::Divergent, &[A::Divergence]),
        (
            A::Phantom,
            &[
                A::DoubleApply,
                A::Inversion,
                A::Orphan,
                A::Skip,
                A::Resurrection,
                A::ChainBreak,
                A::Divergence,
            ],
        ),
        (A::SplitKey, OVERTAKING),
        (A::LogInversion, OVERTAKING),
        (
            A::ZombieEffect,
            &[
                A::DoubleApply,
                A::Inversion,
                A::Skip,
                A::Resurrection,
                A::ChainBreak,
                A::Divergence,
            ],
        ),
        (
            A::DoubleApply,
            &[
                A::Inversion,
                A::Skip,
                A::Resurrection,
                A::ChainBreak,
                A::OutLost,
                A::Divergence,
            ],
        ),
        (A::StuckPark, &[A::Unseen, A::Divergence]),
        (A::LostApply, &[A::Orphan, A::Skip, A::Divergence]),
        (A::Unseen, &[A::Divergence]),
        (
            A::Inversion,
            &[A::Orphan, A::Skip, A::Resurrection, A::ChainBreak, A::Divergence],
        ),
        (A::Orphan, &[A::Skip, A::Divergence]),
        (A::Skip, &[A::ChainBreak, A::Divergence]),
        (A::Resurrection, &[A::Divergence]),
        (A::ChainBreak, &[A::Divergence]),
        (A::OutLost, &[]),
        (A::OutDup, &[]),
        (A::OutInversion, &[]),
        (A::Divergence, &[]),
    ]
};

/// What can follow when events are delivered in another order than they were written in.
const OVERTAKING: &[Anomaly] = &[
    Anomaly::LostApply,
    Anomaly::Inversion,
    Anomaly::Orphan,
    Anomaly::Skip,
    Anomaly::Resurrection,
    Anomaly::ChainBreak,
    Anomaly::Divergence,
];

/// Tells verdicts, which may be about several orders, as one story an order, by the orders' numbers.
pub fn stories(mut verdicts: Vec<Verdict>) -> Vec<Story> {
    verdicts.sort_by_key(|verdict| (verdict.order, rank(verdict.anomaly)));
    let mut stories: Vec<Story> = Vec::new();
    for verdict in verdicts {
        match stories.last_mut().filter(|story| story.order == verdict.order) {
            Some(story) => story.add(verdict),
            None => stories.push(Story {
                order: verdict.order,
                chapters: vec![Chapter::of(verdict)],
            }),
        }
    }
    let harmless = |chapter: &Chapter| chapter.severity() != Severity::Harm;
    stories
        .iter_mut()
        .for_each(|story| story.chapters.sort_by_key(harmless));
    stories
}

fn rank(anomaly: Anomaly) -> usize {
    let place = CAUSES.iter().position(|(cause, _)| *cause == anomaly);
    place.expect("each anomaly has its place among the causes")
}

impl Story {
    /// Whether any of it did harm.
    pub fn severity(&self) -> Severity {
        let severities = self.chapters.iter().map(Chapter::severity);
        severities.max().unwrap_or(Severity::Hazard)
    }

    fn add(&mut self, verdict: Verdict) {
        let chapter = self.chapters.iter_mut().find(|chapter| chapter.explains(&verdict));
        match chapter {
            Some(chapter) => chapter.follows.push(verdict),
            None => self.chapters.push(Chapter::of(verdict)),
        }
    }
}

impl Chapter {
    fn of(cause: Verdict) -> Self {
        let follows = Vec::new();
        Self { cause, follows }
    }

    /// The cause, and then what followed from it.
    pub fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        std::iter::once(&self.cause).chain(&self.follows)
    }

    /// Whether any of it did harm.
    pub fn severity(&self) -> Severity {
        let severities = self.verdicts().map(|verdict| verdict.severity);
        severities.max().unwrap_or(Severity::Hazard)
    }

    /// The rows and records that show it, each once, by their time. Those without a time come last.
    pub fn evidence(&self) -> Vec<&Fact> {
        let mut facts: Vec<&Fact> = self.verdicts().flat_map(|verdict| &verdict.facts).collect();
        facts.sort_by_key(|fact| (fact.at.is_none(), *fact));
        facts.dedup();
        facts
    }

    fn explains(&self, verdict: &Verdict) -> bool {
        self.verdicts().any(|cause| leads_to(cause, verdict))
    }
}

/// Whether a verdict can have followed from another one.
fn leads_to(cause: &Verdict, verdict: &Verdict) -> bool {
    let (_, follow) = CAUSES[rank(cause.anomaly)];
    if !follow.contains(&verdict.anomaly) {
        return false;
    }
    match cause.anomaly {
        // A forged event that took no effect led to nothing.
        Anomaly::Phantom if cause.severity == Severity::Hazard => false,
        _ if verdict.anomaly == Anomaly::Divergence => true,
        Anomaly::SplitKey => !in_one_partition(verdict),
        _ => touch(cause, verdict),
    }
}

/// Whether all that shows this stands in one partition, which keeps it in order.
fn in_one_partition(verdict: &Verdict) -> bool {
    let partitions = || -> Vec<Partition> {
        let places = verdict.facts.iter().filter_map(|fact| fact.place);
        places.map(|place| place.partition).collect()
    };
    let partitions = partitions();
    partitions.len() > 1 && partitions.iter().all(|partition| *partition == partitions[0])
}

/// Whether two verdicts are about the same versions, or about versions that follow each other.
fn touch(cause: &Verdict, verdict: &Verdict) -> bool {
    let (Some((low, high)), Some((first, last))) = (versions(cause), versions(verdict)) else {
        return true;
    };
    low <= last && Version(first.0 - 1) <= high
}

/// The lowest and the highest version that a verdict's facts name.
fn versions(verdict: &Verdict) -> Option<(Version, Version)> {
    let named = || verdict.facts.iter().filter_map(|fact| fact.version);
    Some((named().min()?, named().max()?))
}
