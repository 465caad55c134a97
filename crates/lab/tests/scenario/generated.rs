//! Whatever can be said, what is written of it reads the same; and no text makes the reader panic.

use std::time::Duration;

use keylane_log::{Offset, Partition};
use lab::checker::Anomaly;
use lab::scenario::{Action, Deed, DoubtName, EventName, Gate, Journal, WorldName};
use lab::scenario::{
    Assignor, Change, Choice, Consumer, Differently, Expectation, Fields, Forged, Guard, Key, KeyMode, Line, Name,
    Producer, Request, Role, Row, Run, Scenario, Setting, Sight, Spot, Stage, Step, Wish, parse,
};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use shop::domain::OrderEventType;
use shop::text::Text;

/// The texts of a scenario: lines without blanks at their ends, perhaps with empty lines between them.
fn prose() -> impl Strategy<Value = String> {
    let line = "[a-z가-힣\"#=*.:|\\\\]{1,9}( [a-z#\"]{1,5}){0,2}";
    let rest = proptest::collection::vec((any::<bool>(), line), 0..3);
    (line, rest).prop_map(|(first, rest)| {
        rest.into_iter().fold(first, |text, (empty, line)| {
            let between = if empty { "\n\n" } else { "\n" };
            text + between + &line
        })
    })
}

fn text() -> impl Strategy<Value = Text> {
    (prose(), prose()).prop_map(|(english, korean)| Text { english, korean })
}

fn value() -> impl Strategy<Value = String> {
    "[A-Za-z가-힣0-9 \"#=\\\\\n\t*]{0,12}"
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![(1..9u32).prop_map(Role::Order), (1..9u32).prop_map(Role::Delivery)]
}

fn kim() -> Name {
    Name("KIM".to_owned())
}

prop_compose! {
    fn event()(of in select(vec![Journal::Orders, Journal::Deliveries]), version in 1..99i64) -> EventName {
        EventName { order: kim(), of, version }
    }
}

fn order_event() -> impl Strategy<Value = EventName> {
    (1..99i64).prop_map(|version| EventName {
        order: kim(),
        of: Journal::Orders,
        version,
    })
}

prop_compose! {
    fn fields()(customer in of(any::<i64>()), product in of(value()), qty in of(any::<i32>()), address in of(value())) -> Fields {
        Fields { customer, product, qty, address }
    }
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        fields()
            .prop_filter("something is modified", |fields| *fields != Fields::default())
            .prop_map(Wish::Modify),
        Just(Wish::Cancel),
    ]
}

prop_compose! {
    fn producer()(
        key in of(select(vec![Key::Plain, Key::None, Key::Empty, Key::Quoted, Key::Padded, Key::Binary])),
        choice in prop_oneof![
            Just(Choice::Murmur2),
            Just(Choice::Crc32),
            (1..9u32).prop_map(Choice::Assuming),
            (0..9u32).prop_map(|partition| Choice::To(Partition(partition))),
        ],
    ) -> Producer {
        Producer { key, choice }
    }
}

fn forged() -> impl Strategy<Value = Forged> {
    let types = vec![
        OrderEventType::Placed,
        OrderEventType::Modified,
        OrderEventType::Cancelled,
    ];
    prop_oneof![
        Just(Forged::Unreadable),
        (select(types), fields()).prop_map(|(event_type, fields)| Forged::Event(event_type, fields)),
    ]
}

fn gate() -> impl Strategy<Value = Gate> {
    let of_journal = || select(vec![Journal::Orders, Journal::Deliveries]);
    // The only processes that are sure to be there.
    let within = || of(select(vec![Role::Order(1), Role::Delivery(1)]));
    prop_oneof![
        (order_event(), within()).prop_map(|(event, within)| Gate::Work { event, within }),
        (of_journal(), within()).prop_map(|(of, within)| Gate::BeforeSend { of, within }),
        (of_journal(), within()).prop_map(|(of, within)| Gate::BeforeMark { of, within }),
        within().prop_map(|within| Gate::Commit { within }),
    ]
}

prop_compose! {
    fn differently()(
        key in of(select(vec![KeyMode::OrderId, KeyMode::None])),
        guard in of(select(vec![Guard::Version, Guard::Off])),
        lanes in of(1..99usize),
        modify_delay in of(span()),
        mixed in any::<bool>(),
    ) -> Differently {
        Differently { key, guard, lanes, modify_delay, mixed }
    }
}

fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![0..100_000u64, (0..100u64).prop_map(|hours| hours * 3_600_000)].prop_map(Duration::from_millis)
}

fn sight() -> impl Strategy<Value = Sight> {
    let stages = Stage::WORDS
        .iter()
        .filter_map(|word| Stage::named(word))
        .collect::<Vec<_>>();
    let changes = Change::WORDS
        .iter()
        .filter_map(|word| Change::named(word))
        .collect::<Vec<_>>();
    let known = || select(vec![Role::Order(1), Role::Delivery(1)]);
    prop_oneof![
        (event(), select(stages), of(known())).prop_map(|(event, stage, by)| Sight::Event { event, stage, by }),
        (known(), select(changes), of(0..9u32)).prop_map(|(role, change, partition)| {
            let partition = partition.filter(|_| matches!(change, Change::Assigned | Change::Revoked | Change::Lost));
            Sight::Process {
                role,
                change,
                partition,
            }
        }),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let status = of("[A-Z ]{1,20}");
    (status, of(any::<i32>()), of(value()))
        .prop_map(|(status, qty, address)| Row { status, qty, address })
        .prop_filter("something is compared", |row| *row != Row::default())
}

fn expectation() -> impl Strategy<Value = Expectation> {
    let doubts = vec![DoubtName::Parked, DoubtName::Unsequenced, DoubtName::Unpublished];
    prop_oneof![
        Just(Expectation::Clean),
        select(Anomaly::ALL.to_vec()).prop_map(|anomaly| Expectation::Verdict(anomaly, kim())),
        select(doubts).prop_map(|doubt| Expectation::Doubt(doubt, kim())),
        row().prop_map(|row| Expectation::Delivery(kim(), row)),
        (0..9u32).prop_map(|count| Expectation::Deliveries(kim(), count)),
        sight().prop_map(Expectation::Seen),
        sight().prop_map(Expectation::Never),
        (0..9u32, sight()).prop_map(|(count, sight)| Expectation::Times(count, sight)),
        (sight(), sight()).prop_map(|(first, second)| Expectation::Before(first, second)),
    ]
}

fn setting() -> impl Strategy<Value = Setting> {
    let consumers: Vec<_> = Consumer::WORDS
        .iter()
        .filter_map(|word| Consumer::named(word))
        .collect();
    let assignors: Vec<_> = Assignor::WORDS
        .iter()
        .filter_map(|word| Assignor::named(word))
        .collect();
    prop_oneof![
        (1..99u32).prop_map(Setting::Partitions),
        (1..9u32).prop_map(Setting::Deliveries),
        (1..9u32).prop_map(Setting::Relays),
        select(vec![KeyMode::OrderId, KeyMode::None]).prop_map(Setting::Key),
        select(vec![Guard::Version, Guard::Off]).prop_map(Setting::Guard),
        (1..99usize).prop_map(Setting::Lanes),
        span().prop_map(Setting::ModifyDelay),
        span().prop_map(Setting::SessionTimeout),
        span().prop_map(Setting::GapDeadline),
        select(consumers).prop_map(Setting::Consumer),
        select(assignors).prop_map(Setting::Assignor),
        (role(), -99_999..99_999i64).prop_map(|(role, ahead)| Setting::Clock(role, ahead)),
    ]
}

fn is_naive(setting: &Setting) -> bool {
    matches!(setting, Setting::Consumer(consumer) if *consumer != Consumer::Keylane)
}

fn is_of_keylane(setting: &Setting) -> bool {
    matches!(setting, Setting::Guard(_) | Setting::Lanes(_) | Setting::GapDeadline(_))
}

/// Some steps that make sense wherever they stand, once an order has been placed.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let order = || Just(Some(Role::Order(1)));
    let request = (wish(), of(1..99i64), prop_oneof![Just(None), order()]).prop_map(|(wish, if_version, via)| {
        Action::Request(Request {
            order: kim(),
            wish,
            if_version,
            via,
        })
    });
    let one = |action: Action| vec![Step::Do(action)];
    prop_oneof![
        request.prop_map(move |action| vec![Step::Do(action), Step::Expect(Expectation::Refused)]),
        (event(), producer()).prop_map(move |(event, by)| one(Action::Publish { event, by })),
        event().prop_map(move |event| one(Action::Lose(event))),
        (order_event(), forged(), producer()).prop_map(move |(event, says, by)| one(Action::Forge { event, says, by })),
        gate().prop_map(|gate| vec![Step::Do(Action::Hold(gate.clone())), Step::Do(Action::Release(gate))]),
        differently().prop_map(|with| {
            let deeds = [Deed::Freeze, Deed::Wake, Deed::Stop, Deed::Start(with), Deed::Kill];
            let deeds = deeds.into_iter().chain([Deed::Start(Differently::default())]);
            deeds
                .map(|deed| Step::Do(Action::Process(Role::Delivery(1), deed)))
                .collect()
        }),
        (0..99u64).prop_map(move |offset| {
            let partition = Partition(0);
            one(Action::Truncate(Spot {
                partition,
                offset: Offset(offset),
            }))
        }),
        of(100..9999u32).prop_map(move |bytes| one(Action::Limit(bytes))),
        Just(one(Action::Retry(kim()))),
        order_event().prop_map(move |event| one(Action::Discard(event))),
        sight().prop_map(|sight| vec![Step::WaitUntil(sight)]),
        Just(vec![Step::Settle]),
        expectation().prop_map(|expectation| vec![Step::Expect(expectation)]),
    ]
}

fn line<T>(says: T, run: Option<Run>) -> Line<T> {
    Line { run, number: 0, says }
}

prop_compose! {
    fn scenario()(
        title in text(),
        explain in text(),
        question in text(),
        cure in text(),
        anomalies in subsequence((1..33).collect::<Vec<u32>>(), 0..3),
        lesson in of(1..4u32),
        worlds in subsequence(WorldName::ALL.to_vec(), 1..4),
        runs in subsequence(Run::ALL.to_vec(), 1..3),
        settings in proptest::collection::vec((setting(), of(select(Run::ALL.to_vec()))), 0..6),
        place in fields(),
        steps in proptest::collection::vec((steps(), of(select(Run::ALL.to_vec()))), 0..8),
    ) -> Scenario {
        let place = Action::Request(Request { order: kim(), wish: Wish::Place(place), if_version: None, via: None });
        let mut lines = vec![line(Step::Do(place), None)];
        for (steps, run) in steps {
            lines.extend(steps.into_iter().map(|step| line(step, run)));
        }
        lines.push(line(Step::Expect(Expectation::Clean), None));
        let mut scenario = Scenario::default();
        scenario.head.title = title;
        scenario.head.explain = explain;
        scenario.head.question = question;
        scenario.head.cure = cure;
        scenario.head.anomalies = anomalies;
        scenario.head.lesson = lesson;
        scenario.head.worlds = worlds;
        scenario.head.runs = runs;
        let mut settings = settings;
        if settings.iter().any(|(setting, _)| is_naive(setting)) {
            // A naive consumer has none of these.
            settings.retain(|(setting, _)| !is_of_keylane(setting));
            for line in &mut lines {
                if let Step::Do(Action::Process(_, Deed::Start(with))) = &mut line.says {
                    (with.guard, with.lanes) = (None, None);
                }
            }
        }
        scenario.settings = settings.into_iter().map(|(setting, run)| line(setting, run)).collect();
        scenario.steps = lines;
        scenario
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(scenario in scenario()) {
        let written = scenario.to_string();
        let again = parse("own.lab", &written);
        let again = again.unwrap_or_else(|error| panic!("{error}:\n{written}"));
        prop_assert!(scenario.says_the_same_as(&again), "{}\n{:?}\n{:?}", written, scenario, again);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(( |broken |fixed )?[a-z]{3,8}( [A-Za-z0-9@=\"\\\\*가-힣]{0,5}){0,4}\n){0,5}") {
        let _ = parse("own.lab", &text);
    }

    #[test]
    fn no_words_of_the_language_make_the_reader_panic(
        words in proptest::collection::vec(select(vec![
            "place", "KIM", "modify", "address=", "hold", "in", "delivery-1", "order", "v2", "P0", "P0@1", "to", "key", "wait", "until",
            "expect", "seen", "before", "applied", "assigned", "start", "\"", "\"x\"*9", "\n", "\n", "\n  ", "explain", "en", "relay", "99999999999",
        ]), 0..30)
    ) {
        let _ = parse("own.lab", &words.join(" "));
    }
}
