//! Judges everything as `mall verify --watch` does, and tells what it comes to.

use std::time::Duration;

use anyhow::Result;
use lab::checker::{Outcome, Scope};
use web::live::{Holds, Verdict};

use super::gathering::Gathering;
use crate::verify::Sources;
use crate::verify::found::Found;
use crate::verify::report;
use crate::verify::watch::{News, Replaced, Watch};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// The pause after something went wrong.
const AWAY: Duration = Duration::from_secs(1);
/// So many looks in a row may fail until everything is opened anew.
const FAILURES: u32 = 5;
/// How many verdicts are kept.
const KEPT: usize = 100;

/// Judges until nobody wants that any more.
pub fn follow(gathering: &Gathering) {
    let mut judged = Judged::default();
    while gathering.goes_on() {
        if let Err(error) = judge(gathering, &mut judged) {
            if !error.is::<Replaced>() {
                gathering.note_away("verdict", Some(format!("{error:#}")));
                judged.last.state = Holds::Away;
                gathering.tell_verdict(&judged.last);
                gathering.pause(AWAY);
            }
            judged = Judged::default();
        }
    }
}

/// Looks at everything once, and then at what is new.
fn judge(gathering: &Gathering, judged: &mut Judged) -> Result<()> {
    gathering.tell_verdict(&judged.last);
    let sight = &gathering.sight;
    let sources = Sources::look_into(&sight.storage, &sight.topic, &sight.group)?.until(gathering.stop.clone());
    let mut watch = Watch::begin(&sources, Scope::default(), KEPT, &mut |news| judged.take(news))?;
    let mut failures = 0;
    while gathering.goes_on() {
        gathering.note_away("verdict", None);
        if judged.look(&watch) {
            gathering.tell_verdict(&judged.last);
        }
        gathering.pause(PAUSE);
        match watch.step(&mut |news| judged.take(news)) {
            Ok(()) => failures = 0,
            Err(error) if error.is::<Replaced>() || failures == FAILURES => return Err(error),
            // A log or a database that is away may come back.
            Err(error) => {
                failures += 1;
                gathering.note_away("verdict", Some(format!("{error:#}")));
            }
        }
    }
    Ok(())
}

/// What was judged so far.
struct Judged {
    last: Verdict,
    /// Whether verdicts came since the last look.
    is_news: bool,
    /// What it came to when everything had come to its end; none before that, or since something has happened.
    settled: Option<Outcome>,
}

impl Default for Judged {
    fn default() -> Self {
        Self {
            last: Verdict::STARTING,
            is_news: false,
            settled: None,
        }
    }
}

impl Judged {
    fn take(&mut self, news: News) {
        self.settled = None;
        match news {
            News::Begun(found) => {
                let stories = found.harm.kept.into_iter().chain(found.hazards.kept);
                let chapters = stories.flat_map(|story| story.chapters);
                let verdicts = chapters.flat_map(|chapter| std::iter::once(chapter.cause).chain(chapter.follows));
                self.add(verdicts.collect());
            }
            News::Verdicts(verdicts) => self.add(verdicts),
            News::Doubts(_) | News::Quiet(_) => {}
        }
    }

    fn add(&mut self, verdicts: Vec<lab::checker::Verdict>) {
        let found = &mut self.last.found;
        found.extend(report::in_both_languages(verdicts));
        let surplus = found.len().saturating_sub(KEPT);
        found.drain(..surplus);
        self.is_news = true;
    }

    /// Looks what everything comes to now. True if that differs from before.
    fn look(&mut self, watch: &Watch<'_>) -> bool {
        let before = self.counts();
        self.last.under_way = !watch.is_quiet();
        if self.last.under_way {
            self.settled = None;
            self.last.doubts.clear();
        } else if self.settled.is_none() {
            self.settle(&watch.found());
        }
        (self.last.harm, self.last.hazards) = watch.counts();
        self.last.orders = watch.orders();
        self.last.state = state(self.last.harm, self.last.orders, self.settled);
        std::mem::take(&mut self.is_news) || self.counts() != before
    }

    fn counts(&self) -> (Holds, usize, usize, usize, bool, usize) {
        let Verdict {
            state,
            orders,
            harm,
            hazards,
            under_way,
            ..
        } = self.last;
        (state, orders, harm, hazards, under_way, self.last.doubts.len())
    }

    fn settle(&mut self, found: &Found) {
        self.settled = Some(found.outcome());
        self.last.doubts = found.doubts.kept.iter().map(report::doubt_in_both_languages).collect();
    }
}

/// What it comes to, as `mall verify` says it at this moment: what is under way can't be judged yet.
fn state(harm: usize, orders: usize, settled: Option<Outcome>) -> Holds {
    match settled {
        _ if harm > 0 => Holds::Harm,
        Some(Outcome::NoHarm) if orders > 0 => Holds::Ordered,
        _ => Holds::Unknown,
    }
}

impl Gathering {
    fn tell_verdict(&self, verdict: &Verdict) {
        self.session.tell(|picture| picture.verdict(verdict.clone()));
    }
}
