//! What the page shows of a mall, as far as observations tell it. Pure.
//!
//! Where a gateway asks the log, the group and the databases, a scene knows only what was observed: the end of a partition by the
//! records that were published, its reader by the assignments, a delivery by the effects.

use std::collections::{BTreeMap, BTreeSet};

use lab::checker::{Judgement, Observed, Outcome, PartitionState, Severity, Verdict as Found};
use lab::scenario::{Action, Consumer, Deed, Differently, Guard, Role as Player, Setup, Step};
use observe::{Ending, Event, Observation, Place, What};
use shop::domain::{Delivery, EventType, OrderEventType};
use web::live::{Actual, Expected, Group, Holds, Member, Modes, Partition, Picture, Role, RoleState, Verdict};

use crate::verify::report;

/// What is known of a mall.
pub struct Scene {
    setup: Setup,
    /// Whether it was read afterwards, so that nobody tells who was in the group.
    is_read: bool,
    roles: BTreeMap<String, Role>,
    /// Start, end and committed position of each partition.
    partitions: Vec<(u64, u64, Option<u64>)>,
    readers: BTreeMap<u32, String>,
    rows: BTreeMap<i64, (Option<Expected>, Option<Actual>)>,
    certain: Observed,
    found: Vec<Found>,
    placed: BTreeSet<i64>,
}

impl Scene {
    /// A mall that is set up so, of which nothing was observed yet.
    pub fn of(setup: &Setup) -> Self {
        let mut scene = Self {
            setup: setup.clone(),
            is_read: false,
            roles: BTreeMap::new(),
            partitions: vec![(0, 0, None); setup.partitions as usize],
            readers: BTreeMap::new(),
            rows: BTreeMap::new(),
            certain: Observed::default(),
            found: Vec::new(),
            placed: BTreeSet::new(),
        };
        (1..=setup.relays).for_each(|number| scene.enter(Player::Order(number), &Differently::default()));
        (1..=setup.deliveries).for_each(|number| scene.enter(Player::Delivery(number), &Differently::default()));
        scene
    }

    /// A mall of which is read what these instances did, whose modes nobody tells.
    pub fn read(partitions: usize, instances: &BTreeSet<&str>) -> Self {
        let setup = Setup {
            partitions: u32::try_from(partitions).unwrap_or(u32::MAX),
            deliveries: 0,
            ..Setup::default()
        };
        let mut scene = Self::of(&setup);
        scene.is_read = true;
        scene.roles.values_mut().for_each(|role| role.modes = None);
        for name in instances {
            scene.roles.insert((*name).to_owned(), serving(name, "delivery", None));
        }
        scene
    }

    /// A process is there, in these modes.
    fn enter(&mut self, player: Player, with: &Differently) {
        let setup = &self.setup;
        let key = with.key.unwrap_or(setup.key).word();
        let (kind, modes) = match player {
            Player::Order(_) => (
                "order",
                Modes {
                    key,
                    guard: None,
                    lanes: None,
                },
            ),
            Player::Delivery(_) => (
                "delivery",
                Modes {
                    key,
                    guard: Some(self.guard(with).word()),
                    lanes: Some(with.lanes.unwrap_or(setup.lanes)),
                },
            ),
        };
        let name = player.to_string();
        let role = serving(&name, kind, Some(modes));
        self.roles.insert(name, role);
    }

    /// A naive consumer knows of no fence.
    fn guard(&self, with: &Differently) -> Guard {
        match self.setup.consumer {
            Consumer::Keylane => with.guard.unwrap_or(self.setup.guard),
            _ => Guard::Off,
        }
    }

    /// What stands in the picture before anything was observed.
    pub fn begin(&self, at: i64, picture: &mut Picture) {
        picture.partitions(at, self.partitions());
        picture.roles(self.roles.values().cloned().collect());
        picture.group(self.group());
        picture.verdict(self.verdict());
    }

    /// Notes a step that comes next: what a process is started with, and what is removed, no observation tells.
    pub fn step(&mut self, step: &Step) {
        match step {
            Step::Do(Action::Process(player, Deed::Start(with))) => self.enter(*player, with),
            Step::Do(Action::Truncate(spot)) => {
                if let Some((start, ..)) = self.partitions.get_mut(spot.partition.0 as usize) {
                    *start = (*start).max(spot.offset.0);
                }
            }
            _ => {}
        }
    }

    /// Notes what was observed, and tells the picture.
    pub fn observe(&mut self, seen: &Observation, picture: &mut Picture) {
        match &seen.what {
            What::Started { .. } | What::Killed | What::Stopped => self.certain.restart(&seen.who),
            _ => {}
        }
        self.note(seen);
        picture.remembered(seen);
        picture.partitions(seen.at, self.partitions());
        picture.roles(self.roles.values().cloned().collect());
        picture.group(self.group());
        if let Some(order) = seen.what.order() {
            let (expected, actual) = self.rows.get(&order).cloned().unwrap_or_default();
            picture.row(order, expected, actual);
        }
        self.found.extend(self.certain.see(seen));
        picture.verdict(self.verdict());
    }

    fn note(&mut self, seen: &Observation) {
        let who = &*seen.who;
        match &seen.what {
            What::Committed { event } => self.expect(event),
            What::Published { place, .. } | What::Taken { place, .. } | What::Skipped { place, .. } => {
                self.reach(*place)
            }
            What::OffsetCommitted { partition, position } => {
                if let Some((.., committed)) = self.partitions.get_mut(*partition as usize) {
                    *committed = Some(*position);
                }
            }
            What::Grown { partitions, .. } => {
                let many = self.partitions.len().max(*partitions as usize);
                self.partitions.resize(many, (0, 0, None));
            }
            What::Assigned { partitions } => {
                let taken = partitions.iter().map(|one| (one.partition, who.to_owned()));
                self.readers.extend(taken);
            }
            What::Revoked { partitions } | What::Lost { partitions } => {
                self.readers
                    .retain(|partition, reader| reader != who || !partitions.contains(partition));
            }
            What::Finished {
                event: Some(event),
                ending,
                ..
            } => self.effect(event, ending),
            What::Started { .. } | What::Woken => self.state(who, RoleState::Serving),
            What::Stopped => self.state(who, RoleState::Stopped),
            What::Killed => self.state(who, RoleState::Away),
            What::Frozen => self.state(who, RoleState::Frozen),
            _ => {}
        }
    }

    fn state(&mut self, who: &str, state: RoleState) {
        if let Some(role) = self.roles.get_mut(who) {
            role.state = state;
        }
    }

    fn reach(&mut self, place: Place) {
        if let Some((_, end, _)) = self.partitions.get_mut(place.partition as usize) {
            *end = (*end).max(place.offset + 1);
        }
    }

    fn expect(&mut self, event: &Event) {
        let kind = event.name.as_deref().and_then(EventType::from_name);
        let (None, Some(EventType::Order(kind)), Some(version)) = (event.delivery, kind, event.version) else {
            return;
        };
        self.placed.insert(event.order);
        let (expected, _) = self.rows.entry(event.order).or_default();
        *expected = Some(wanted(kind, version));
    }

    fn effect(&mut self, event: &Event, ending: &Ending) {
        let Some(effect) = ending.effect() else { return };
        let (_, actual) = self.rows.entry(event.order).or_default();
        let before = actual.as_ref().map_or(0, |actual| actual.version);
        *actual = Some(Actual {
            status: effect.status.as_deref().map(str::to_owned),
            version: before.max(event.version.unwrap_or(0)),
            delivery: effect.delivery,
        });
    }

    fn partitions(&self) -> Vec<Partition> {
        let numbered = (0..).zip(&self.partitions);
        numbered
            .map(|(number, (start, end, committed))| Partition::new(number, *start, (*end).max(*start), *committed))
            .collect()
    }

    fn group(&self) -> Option<Group> {
        if self.is_read {
            return None;
        }
        let partitions = self.partitions.len();
        let shared_out = self.readers.len() >= partitions;
        let of = |name: &str| {
            let own = self.readers.iter().filter(|(_, reader)| *reader == name);
            own.map(|(partition, _)| *partition).collect::<Vec<_>>()
        };
        // The group gives up whoever is frozen for long, and hands its partitions to others.
        let is_in = |role: &&Role| match role.state {
            RoleState::Serving => true,
            RoleState::Frozen => !of(&role.name).is_empty(),
            _ => false,
        };
        let deliveries = self.roles.values().filter(|role| role.kind == "delivery");
        let deliveries: Vec<&Role> = deliveries.filter(is_in).collect();
        let surplus = shared_out && deliveries.len() > partitions;
        let member = |role: &&Role| {
            let partitions = of(&role.name);
            Member {
                name: role.name.clone(),
                modes: role.modes.clone(),
                idle: (surplus && partitions.is_empty()).then_some("more-instances-than-partitions"),
                partitions,
            }
        };
        Some(Group {
            state: if shared_out { "Stable" } else { "PreparingRebalance" }.to_owned(),
            generation: None,
            members: deliveries.iter().map(member).collect(),
        })
    }

    /// What is certain so far, which is harm alone, as the live picture has it.
    fn verdict(&self) -> Verdict {
        let (harm, hazards) = counts(&self.found);
        Verdict {
            state: if harm > 0 { Holds::Harm } else { Holds::Unknown },
            orders: self.placed.len(),
            harm,
            hazards,
            under_way: true,
            found: report::in_both_languages(self.found.clone()),
            doubts: Vec::new(),
        }
    }

    /// The partitions as they are in the end.
    pub fn come_to(&mut self, partitions: &[PartitionState]) {
        let states = partitions.iter().map(|state| {
            let committed = state.committed.map(|offset| offset.0);
            (state.start.0, state.end.0, committed)
        });
        self.partitions = states.collect();
    }

    /// How everything stands in the end: the partitions, the rows, and what the checker says of them.
    pub fn end(&mut self, verdict: Verdict, deliveries: &[Delivery], picture: &mut Picture) {
        for row in deliveries {
            let Some(order) = row.order_id else { continue };
            let (_, actual) = self.rows.entry(order.0).or_default();
            *actual = Some(as_it_is(row));
        }
        for (order, (expected, actual)) in &self.rows {
            picture.row(*order, expected.clone(), actual.clone());
        }
        picture.partitions(0, self.partitions());
        picture.verdict(verdict);
    }
}

/// What an order's event leads to.
pub fn wanted(kind: OrderEventType, version: i64) -> Expected {
    Expected {
        status: kind.delivery_status().to_owned(),
        version,
    }
}

/// A delivery's row.
pub fn as_it_is(row: &Delivery) -> Actual {
    Actual {
        status: row.status.clone(),
        version: row.version.0,
        delivery: row.id.0,
    }
}

fn serving(name: &str, kind: &'static str, modes: Option<Modes>) -> Role {
    Role {
        name: name.to_owned(),
        kind,
        url: None,
        supervised: false,
        state: RoleState::Serving,
        modes,
        instance: None,
        pid: None,
    }
}

/// What a judgement of all orders comes to.
pub fn judged(judgement: &Judgement) -> Verdict {
    let (harm, hazards) = counts(&judgement.verdicts);
    Verdict {
        state: holds(judgement.outcome()),
        orders: judgement.orders,
        harm,
        hazards,
        under_way: false,
        found: report::in_both_languages(judgement.verdicts.clone()),
        doubts: judgement.doubts.iter().map(report::doubt_in_both_languages).collect(),
    }
}

/// What an outcome is called on the page.
pub fn holds(outcome: Outcome) -> Holds {
    match outcome {
        Outcome::NoHarm => Holds::Ordered,
        Outcome::Harm => Holds::Harm,
        Outcome::Unknown => Holds::Unknown,
    }
}

/// How many orders were harmed, and of how many others hazards are known.
fn counts(found: &[Found]) -> (usize, usize) {
    let of = |severity| {
        let found = found.iter().filter(move |verdict| verdict.severity == severity);
        found.map(|verdict| verdict.order).collect::<BTreeSet<_>>()
    };
    let (harm, hazards) = (of(Severity::Harm), of(Severity::Hazard));
    (harm.len(), hazards.difference(&harm).count())
}
