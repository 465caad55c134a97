//! Makes a history that did harm as small as it can be, so that a person understands it.
//!
//! ```text
//!   steps ─▶ without what isn't needed ─▶ what only lets things go on becomes `flow` ─▶ fewer partitions, processes … ─┐
//!     ▲                                                                                                                │
//!     └───────────────────────────────── as long as it gets smaller ◀──────────────────────────────────────────────────┘
//! ```

use std::time::Duration;

use super::log::LogKind;
use super::run::{Conditions, replay};
use super::shrink::shrink;
use super::step::Step;
use crate::scenario::Assignor;

/// A history that does harm, and nothing that isn't needed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smallest {
    /// The mall.
    pub conditions: Conditions,
    /// What happens in it.
    pub steps: Vec<Step>,
}

impl Smallest {
    /// How many actions and faults there are.
    pub fn length(&self) -> usize {
        self.steps.iter().filter(|step| step.counts()).count()
    }
}

/// The smallest history found that does the harm of this name. At most `budget` histories are tried.
pub fn minimize(conditions: &Conditions, steps: Vec<Step>, harm: &str, mut budget: usize) -> Smallest {
    let mut found = Smallest {
        conditions: conditions.clone(),
        steps,
    };
    loop {
        let before = found.clone();
        let Smallest { conditions, steps } = found;
        let does = |steps: &[Step]| replay(&conditions, steps).harm.contains(harm);
        let steps = shrink(steps, &mut budget, does);
        let steps = let_flow(steps, &mut budget, does);
        found = simpler_mall(conditions, steps, harm, &mut budget);
        if found == before || budget == 0 {
            return found;
        }
    }
}

/// Replaces steps that only let things go on, as many as possible at a time.
fn let_flow(mut steps: Vec<Step>, budget: &mut usize, does: impl Fn(&[Step]) -> bool) -> Vec<Step> {
    let mut at = 0;
    while at < steps.len() {
        let goes_on = |step: &&Step| !step.counts() && **step != Step::Flow;
        let many = steps[at..].iter().take_while(goes_on).count();
        if many > 1 && *budget > 0 {
            *budget -= 1;
            let simpler = [&steps[..at], &[Step::Flow], &steps[at + many..]].concat();
            if does(&simpler) {
                steps = simpler;
            }
        }
        at += many.max(1);
    }
    steps
}

fn simpler_mall(conditions: Conditions, steps: Vec<Step>, harm: &str, budget: &mut usize) -> Smallest {
    let mut kept = conditions;
    for simplify in SIMPLER {
        let mut simpler = kept.clone();
        simplify(&mut simpler);
        if simpler != kept && *budget > 0 {
            *budget -= 1;
            if replay(&simpler, &steps).harm.contains(harm) {
                kept = simpler;
            }
        }
    }
    Smallest {
        conditions: kept,
        steps,
    }
}

/// The ways in which a mall is made simpler.
const SIMPLER: [fn(&mut Conditions); 9] = [
    |mall| mall.log = LogKind::Embedded,
    |mall| mall.log = mall.log.simpler(),
    |mall| mall.setup.assignor = Assignor::CooperativeSticky,
    |mall| mall.setup.partitions = 1.max(mall.setup.partitions - 1),
    |mall| mall.setup.deliveries = 1.max(mall.setup.deliveries - 1),
    |mall| mall.setup.relays = 1,
    |mall| mall.setup.lanes = 1,
    |mall| mall.setup.modify_delay = Duration::ZERO,
    |mall| mall.setup.clocks.clear(),
];
