//! Looks at everything once, and closely at the orders that are suspect then.
//!
//! ```text
//!   everything ─▶ Survey ─▶ suspects ─▶ some at a time: everything of these ─▶ judged ─▶ harm? looked at once more
//! ```
//! What is kept in memory is a few dozen bytes of each order, and the history of some suspects at a time.

use std::collections::BTreeSet;

use anyhow::Result;
use lab::checker::{History, Judgement, Scope, Selection, Survey, Suspect, check_orders};
use shop::domain::OrderId;

use super::found::{Aside, Found};
use super::gather::{Gathered, gather};
use super::sources::Sources;

/// How many rows and records of suspects are kept at a time. A single order may have more.
const ENTRIES: usize = 400_000;

/// A look at everything, and what is needed to go on from there.
pub struct Looked {
    /// What was found.
    pub found: Found,
    /// The survey that was made.
    pub survey: Survey,
    /// How far everything was read for the survey.
    pub read: Gathered,
}

/// Looks at everything, and judges the orders in the scope. Of each kind of finding it keeps as many as `keep` says.
pub fn look(sources: &Sources, scope: Scope, keep: usize) -> Result<Found> {
    look_and_go_on(sources, scope, keep, |_| {}).map(|looked| looked.found)
}

/// As [`look`]. `see` is shown each judgement that was made of some orders.
pub fn look_and_go_on(sources: &Sources, scope: Scope, keep: usize, mut see: impl FnMut(&Judgement)) -> Result<Looked> {
    let mut survey = Survey::of(scope);
    let read = gather(sources, &mut survey)?;
    let surveyed = survey.finish(&read.partitions);
    let mut found = Found::default();
    found.orders = surveyed.orders;
    found.aside = scope.placed_since.map(|start| Aside {
        orders: surveyed.left_aside,
        start,
    });
    // Judging a history without orders yields only the doubts about the partitions.
    let history = History {
        partitions: read.partitions.clone(),
        ..History::default()
    };
    found.add(check_orders(&history), keep);
    let mut zombies = surveyed.zombies;
    for orders in portions(&surveyed.suspects) {
        let mut judgement = judge_closely(sources, &orders)?;
        let of_these = zombies.extract_if(.., |verdict| orders.contains(&verdict.order));
        judgement.verdicts.extend(of_these);
        see(&judgement);
        found.add(judgement, keep);
    }
    let rest = Judgement {
        verdicts: zombies,
        ..Judgement::default()
    };
    see(&rest);
    found.tell(rest.verdicts, keep);
    found.finish();
    Ok(Looked { found, survey, read })
}

/// Cuts suspects into portions whose histories fit into memory together.
fn portions(suspects: &[Suspect]) -> Vec<BTreeSet<OrderId>> {
    let (mut portions, mut entries) = (Vec::new(), ENTRIES);
    for suspect in suspects {
        if entries + suspect.entries > ENTRIES {
            portions.push(BTreeSet::new());
            entries = 0;
        }
        entries += suspect.entries.max(1);
        portions.last_mut().map(|portion| portion.insert(suspect.order));
    }
    portions
}

/// Judges these orders by everything that is known of them; a second time where there is harm, since others may write while it
/// is read.
fn judge_closely(sources: &Sources, orders: &BTreeSet<OrderId>) -> Result<Judgement> {
    let mut judgement = judge(sources, orders)?;
    let harmed: BTreeSet<OrderId> = judgement.harm().map(|verdict| verdict.order).collect();
    if !harmed.is_empty() {
        let again = judge(sources, &harmed)?.confirmed_by(&judgement);
        judgement.forget(&harmed);
        judgement.absorb(again);
    }
    Ok(judgement)
}

fn judge(sources: &Sources, orders: &BTreeSet<OrderId>) -> Result<Judgement> {
    let mut selection = Selection::of(orders.iter().copied());
    let read = gather(sources, &mut selection)?;
    selection.history.partitions = read.partitions;
    Ok(check_orders(&selection.history))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspect(order: i64, entries: usize) -> Suspect {
        Suspect {
            order: OrderId(order),
            entries,
        }
    }

    #[test]
    fn portions_hold_every_suspect_once_and_no_more_than_fits() {
        assert_eq!(portions(&[]), []);
        let suspects = [
            suspect(1, ENTRIES / 2),
            suspect(2, ENTRIES / 2 + 1),
            suspect(3, 4),
            suspect(4, 3 * ENTRIES),
            suspect(5, 0),
        ];
        let orders: Vec<Vec<i64>> = portions(&suspects)
            .iter()
            .map(|portion| portion.iter().map(|order| order.0).collect())
            .collect();
        assert_eq!(orders, [vec![1], vec![2, 3], vec![4], vec![5]]);
    }
}
