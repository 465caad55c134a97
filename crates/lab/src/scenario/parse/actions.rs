//! Lines that do something to the mall.

use keylane_log::Partition;
use shop::domain::{EventType, OrderEventType};

use super::super::action::{Action, Choice, Deed, Differently, Fields, Forged, Gate, Key, Producer, Request, Wish};
use super::super::names::{EventName, Journal, Role};
use super::cursor::{Cursor, MOST_PARTITIONS, Parsed};
use super::settings;

/// The words with which such lines begin.
pub(super) const ACTIONS: &[&str] = &[
    "place", "modify", "cancel", "publish", "lose", "forge", "hold", "release", "freeze", "wake", "kill", "stop",
    "start", "grow", "truncate", "seek", "limit", "retry", "discard",
];

/// Reads what stands behind the first word.
pub(super) fn action(command: &str, words: &mut Cursor<'_>) -> Parsed<Action> {
    Ok(match command {
        "place" | "modify" | "cancel" => Action::Request(request(command, words)?),
        "publish" => Action::Publish {
            event: words.event()?,
            by: producer(words)?,
        },
        "lose" => Action::Lose(words.event()?),
        "forge" => Action::Forge {
            event: words.order_event()?,
            says: forged(words)?,
            by: producer(words)?,
        },
        "hold" => Action::Hold(gate(words)?),
        "release" => Action::Release(gate(words)?),
        "freeze" => Action::Process(words.role()?, Deed::Freeze),
        "wake" => Action::Process(words.role()?, Deed::Wake),
        "kill" => Action::Process(words.role()?, Deed::Kill),
        "stop" => Action::Process(words.role()?, Deed::Stop),
        "start" => Action::Process(words.role()?, Deed::Start(differently(words)?)),
        "grow" => Action::Grow(words.count("partitions in all", 1, MOST_PARTITIONS)?),
        "truncate" => Action::Truncate(words.spot()?),
        "seek" => Action::Seek(words.spot()?),
        "limit" => Action::Limit(limit(words)?),
        "retry" => Action::Retry(words.name()?),
        _ => Action::Discard(words.order_event()?),
    })
}

fn request(command: &str, words: &mut Cursor<'_>) -> Parsed<Request> {
    let order = words.name()?;
    let wish = match command {
        "place" => Wish::Place(fields(words, Fields::NAMES)?),
        "modify" => {
            let fields = fields(words, Fields::NAMES)?;
            if fields == Fields::default() {
                return Err(words.mistake("what is modified, such as address=SEOUL"));
            }
            Wish::Modify(fields)
        }
        _ => Wish::Cancel,
    };
    let if_version = match command != "place" && words.takes("if") {
        true => Some(words.version()?),
        false => None,
    };
    let via = behind(words, "via")?;
    if matches!(via, Some(Role::Delivery(_))) {
        return Err(words.mistake("an order service behind via"));
    }
    Ok(Request {
        order,
        wish,
        if_version,
        via,
    })
}

/// `address=SEOUL`, as many as there are.
pub(super) fn fields(words: &mut Cursor<'_>, allowed: &[&str]) -> Parsed<Fields> {
    let mut fields = Fields::default();
    while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
        let number = || words.mistake(format!("a number behind {name}="));
        if !allowed.contains(&name) {
            let mut mistake = words.not_among("a field", allowed);
            mistake.meant = shop::spelling::nearest(name, allowed.iter().copied()).map(str::to_owned);
            return Err(mistake);
        }
        match name {
            "customer" => fields.customer = Some(value.parse().map_err(|_| number())?),
            "product" => fields.product = Some(value.to_owned()),
            "qty" => fields.qty = Some(value.parse().map_err(|_| number())?),
            _ => fields.address = Some(value.to_owned()),
        }
        words.takes_if(|_| Some(()));
    }
    Ok(fields)
}

fn forged(words: &mut Cursor<'_>) -> Parsed<Forged> {
    if words.takes("unreadable") {
        return Ok(Forged::Unreadable);
    }
    let types = [
        OrderEventType::Placed,
        OrderEventType::Modified,
        OrderEventType::Cancelled,
    ];
    let names = types.map(|event_type| EventType::Order(event_type).name());
    let named = |word: &str| {
        types
            .into_iter()
            .find(|event_type| EventType::Order(*event_type).name() == word)
    };
    let allowed = [names[0], names[1], names[2], "unreadable"];
    let event_type = words.one_of("what the record says", &allowed, named)?;
    Ok(Forged::Event(event_type, fields(words, Fields::NAMES)?))
}

fn producer(words: &mut Cursor<'_>) -> Parsed<Producer> {
    let key = match words.takes("key") {
        true => Some(words.one_of("key", Key::WORDS, Key::named)?),
        false => None,
    };
    let choice = if words.takes("partitioner") {
        words.expect("crc32")?;
        Choice::Crc32
    } else if words.takes("assuming") {
        Choice::Assuming(words.count("partitions that the producer counts", 1, MOST_PARTITIONS)?)
    } else if words.takes("to") {
        Choice::To(Partition(words.partition()?))
    } else {
        Choice::Murmur2
    };
    Ok(Producer { key, choice })
}

fn gate(words: &mut Cursor<'_>) -> Parsed<Gate> {
    let relay = |word: &str| match word {
        "relay" => Some(Journal::Orders),
        "delivery-relay" => Some(Journal::Deliveries),
        _ => None,
    };
    if words.takes("commit") {
        let within = behind(words, "in")?;
        return Ok(Gate::Commit { within });
    }
    if let Some(of) = words.takes_if(relay) {
        let before_mark = words.takes("before");
        if before_mark {
            words.expect("mark")?;
        }
        let within = behind(words, "in")?;
        return Ok(match before_mark {
            true => Gate::BeforeMark { of, within },
            false => Gate::BeforeSend { of, within },
        });
    }
    if words
        .peek()
        .is_none_or(|word| super::super::names::Name::named(word).is_none())
    {
        return Err(words.not_among("where work stops, by an event such as KIM v2, or", &GATES));
    }
    let event: EventName = words.order_event()?;
    let within = behind(words, "in")?;
    Ok(Gate::Work { event, within })
}

const GATES: [&str; 3] = ["relay", "delivery-relay", "commit"];

/// A process behind this word, if that word stands here.
pub(super) fn behind(words: &mut Cursor<'_>, word: &str) -> Parsed<Option<Role>> {
    match words.takes(word) {
        true => words.role().map(Some),
        false => Ok(None),
    }
}

fn differently(words: &mut Cursor<'_>) -> Parsed<Differently> {
    let mut with = Differently::default();
    while words.peek().is_some() {
        let option = words.one_of("what is different", &DIFFERENT, |word| {
            DIFFERENT.iter().find(|option| **option == word)
        })?;
        match *option {
            "key" => with.key = Some(settings::key(words)?),
            "guard" => with.guard = Some(settings::guard(words)?),
            "lanes" => with.lanes = Some(settings::lanes(words)?),
            "modify-delay" => with.modify_delay = Some(words.span("modify-delay")?),
            _ => with.mixed = true,
        }
    }
    Ok(with)
}

const DIFFERENT: [&str; 5] = ["key", "guard", "lanes", "modify-delay", "mixed"];

fn limit(words: &mut Cursor<'_>) -> Parsed<Option<u32>> {
    match words.takes("none") {
        true => Ok(None),
        false => words
            .count("bytes that a record may have (or none)", 100, 1_000_000_000)
            .map(Some),
    }
}
